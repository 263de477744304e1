"""Alembic's environment: renders the pending changes of one schema as SQL."""
