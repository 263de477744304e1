"""Stripe and HubSpot as runnable servers with fault switches, for development and tests."""
