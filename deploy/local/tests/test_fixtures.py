"""The fixtures other packages' tests stand on."""

import asyncpg
import pytest
from plumbline_local.testing import Servers, with_database

pytestmark = pytest.mark.server


def test_addresses(pair: Servers, bootstrap_servers: str) -> None:
    assert bootstrap_servers == pair.bootstrap_servers
    assert with_database("postgresql://u:p@h:1/a?x=y", "b") == "postgresql://u:p@h:1/b?x=y"


def test_prefixes_differ(topic_prefix: str, request: pytest.FixtureRequest) -> None:
    assert topic_prefix.endswith("-")
    assert len(topic_prefix) > 6


@pytest.mark.parametrize("round_number", [1, 2])
async def test_each_test_has_a_migrated_database_of_its_own(
    database_url: str, round_number: int
) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute("create table mine(n int)")  # fails if the other round's were here
    schemas = await connection.fetchval("select array_agg(nspname::text) from pg_namespace")
    await connection.close()
    assert "runtime" in schemas
