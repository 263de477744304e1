"""Carries account state to the CRM."""
