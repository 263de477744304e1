"""Stripe: signature, head of an event, translation, reading client."""
