"""`plumbline mrr explain`: Stripe JSON in, the arithmetic of one account out, without a server."""
