"""Fixtures of the whole repository: the real Kafka and PostgreSQL of the session."""

from collections import defaultdict

import pytest

pytest_plugins = ["plumbline_local.testing"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In workers beside each other: files of whole deployments first, those without servers last,
    so that none is left with the longest at the end."""
    if not hasattr(config, "workerinput"):
        return
    turn: dict[str, int] = defaultdict(int)
    for item in items:
        deployment = item.nodeid.startswith(("tests/chaos", "tests/e2e"))
        server = item.get_closest_marker("server") is not None
        file = item.nodeid.partition("::")[0]
        turn[file] = max(turn[file], server + (server and deployment))
    items.sort(key=lambda item: -turn[item.nodeid.partition("::")[0]])
