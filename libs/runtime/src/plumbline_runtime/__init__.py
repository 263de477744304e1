"""Plumbing every Plumbline service needs: consumer boundary, producer, PostgreSQL, health."""
