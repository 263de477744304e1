"""Webhook edge, translation to observations, and the reader."""
