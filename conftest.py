"""Fixtures of the whole repository: the real Kafka and PostgreSQL of the session."""

pytest_plugins = ["plumbline_local.testing"]
