"""Contracts of Plumbline: ids, envelope, observations, account state and events, topics."""
