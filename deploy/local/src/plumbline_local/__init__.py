"""The embedded pair: real Kafka and PostgreSQL from Python packages, and the process manager."""
