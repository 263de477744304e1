"""Walks the vendors' books and publishes ticks."""
