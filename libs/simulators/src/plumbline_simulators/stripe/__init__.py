"""Stripe as a server: v1 API, events with signed webhooks, a clock that bills."""
