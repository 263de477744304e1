"""Tokens in PostgreSQL: encrypted, bound to their connection, refreshed once for everybody."""

import asyncio
from contextlib import AsyncExitStack

import pytest
import structlog
from plumbline_connectors.hubspot.client import open_hubspot
from plumbline_connectors.hubspot.oauth import OAuthGrant
from plumbline_runtime.connections import HubSpotConnection
from plumbline_runtime.postgres import create_pool
from plumbline_runtime.redaction import redact_text
from plumbline_runtime.secrets import ConfigError
from plumbline_runtime.tokens import Keys, TokenStore, WrongKeyError, new_key
from plumbline_schemas.errors import Retryable, Unauthorized
from plumbline_simulators.hubspot.control_api import PERSON
from plumbline_simulators.hubspot.simulator import hubspot_simulator

SECRET = "simulated-client-secret"
OLD, NEW = new_key(), new_key()


def _keys(*texts: str) -> Keys:
    return Keys.from_environment({"PLUMBLINE_KEYS": ",".join(texts)})


@pytest.fixture
async def pools(settings):
    async with AsyncExitStack() as stack:
        made = [await create_pool(settings.database_url, settings) for _ in range(2)]
        for one in made:
            stack.push_async_callback(one.close)
        yield made


@pytest.fixture
async def hubspot():
    async with hubspot_simulator() as simulator:
        simulator.state.tokens.refresh |= {"refresh-given", "refresh-new"}
        simulator.state.of("companies").create({"name": "Acme"}, PERSON, "1")
        yield simulator


class Process:
    """One process's client."""

    def __init__(self, hubspot, pool, given="refresh-given", keys=OLD) -> None:
        store = TokenStore(pool, _keys(*keys.split(",")), "acme", "hubspot")
        self.client = open_hubspot(
            api_base=hubspot.base_url, layout="v3", where="acme/hubspot",
            oauth=OAuthGrant("app", SECRET, given), shelf=store,
        )  # fmt: skip

    async def read(self) -> None:
        assert (await self.client.read("company", "1", ["name"])).obj is not None


@pytest.fixture
async def process(hubspot, pools):
    made = []

    def start(pool: int = 0, **options) -> Process:
        made.append(Process(hubspot, pools[pool], **options))
        return made[-1]

    yield start
    for one in made:
        await one.client.aclose()


def _faults(hubspot) -> list:
    return hubspot.state.faults.describe()


def _refreshes(hubspot) -> list:
    return [call for call in hubspot.state.calls.calls(path="oauth") if call["method"] == "POST"]


@pytest.mark.server
async def test_two_processes_and_an_expired_token_are_one_refresh(hubspot, process):
    one, two = process(0), process(1)
    await asyncio.gather(*(each.read() for each in (one, two) * 5))
    assert len(_refreshes(hubspot)) == 1
    hubspot.state.tokens.expire()
    for each in (one, two):
        with pytest.raises(Unauthorized):
            await each.read()
    await asyncio.gather(*(each.read() for each in (one, two) * 5))
    assert len(_refreshes(hubspot)) == 2
    await process(1).read()
    assert len(_refreshes(hubspot)) == 2


@pytest.mark.server
async def test_a_late_refusal_of_the_last_token_costs_no_refresh(hubspot, process):
    one = process()
    await one.read()
    hubspot.state.tokens.expire()
    slow = {"kind": "delay", "delay_seconds": 0.3}
    rule = hubspot.state.faults.add_json({"path": "companies", "times": 1, "action": slow})
    late = asyncio.create_task(one.read())
    while not any(told["id"] == rule.id and told["fired"] for told in _faults(hubspot)):
        await asyncio.sleep(0.01)
    with pytest.raises(Unauthorized):
        await one.read()
    await one.read()
    assert not late.done()
    with pytest.raises(Unauthorized):
        await late
    await one.read()
    assert len(_refreshes(hubspot)) == 2


@pytest.mark.server
async def test_a_token_near_its_end_is_renewed_by_one_of_them(hubspot, process, pools):
    one, two = process(0), process(1)
    hubspot.state.tokens.lifetime_seconds = 2.0  # used for one of them
    await asyncio.gather(one.read(), two.read())
    await asyncio.sleep(1.1)
    hubspot.state.tokens.lifetime_seconds = 1800.0
    await asyncio.gather(*(each.read() for each in (one, two) * 5))
    assert len(_refreshes(hubspot)) == 2
    row = await pools[0].fetchrow(
        "select expires_at - now() as left, expires_at - renew_at as early, refreshed"
        " from connection.tokens"
    )
    assert 1750 < row["left"].total_seconds() <= 1800
    assert row["early"].total_seconds() == 60
    assert row["refreshed"] == 2


@pytest.mark.server
@pytest.mark.parametrize("action", [{"kind": "status", "status": 503}, {"kind": "drop_after"}])
async def test_a_refresh_that_fails_in_between_is_taken_over(hubspot, process, action):
    hubspot.state.faults.add_json({"path": "oauth", "times": 1, "action": action})
    one, two = process(0), process(1)
    answers = await asyncio.gather(one.read(), two.read(), return_exceptions=True)
    assert {type(answer) for answer in answers} == {Retryable, type(None)}
    await asyncio.gather(one.read(), two.read())
    assert len(_refreshes(hubspot)) == 2


@pytest.mark.server
async def test_a_killed_refresh_lets_go_of_the_row(hubspot, process):
    slow = {"kind": "delay", "delay_seconds": 8}
    rule = hubspot.state.faults.add_json({"path": "oauth", "times": 1, "action": slow})
    dying = asyncio.create_task(process(0).read())
    # Asked, so the row is held; before that the other process would be the slow one.
    while not any(told["id"] == rule.id and told["fired"] for told in _faults(hubspot)):
        await asyncio.sleep(0.01)
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    async with asyncio.timeout(5):
        await process(1).read()


@pytest.mark.server
async def test_a_rotated_refresh_token_is_used_and_a_configured_one_wins(pools):
    asked = []

    async def renew(refresh: str):
        asked.append(refresh)
        return f"access-{len(asked)}", f"rotated-{len(asked)}", 1800.0

    store = TokenStore(pools[0], _keys(OLD), "acme", "hubspot")
    other = TokenStore(pools[1], _keys(OLD), "acme", "hubspot")
    assert (await store.access("given", renew))[0] == "access-1"
    assert (await other.access("given", renew))[0] == "access-1"
    for each in (store, other):
        each.refused("access-1")
    assert (await other.access("given", renew))[0] == "access-2"
    assert (await store.access("given", renew))[0] == "access-2"
    assert asked == ["given", "rotated-1"]
    assert (await store.access("changed", renew))[0] == "access-3"
    store.refused("access-3")
    assert (await store.access("changed", renew))[0] == "access-4"
    assert asked == ["given", "rotated-1", "changed", "rotated-3"]


@pytest.mark.server
async def test_keys_rotate_and_a_row_opens_only_where_it_was_stored(pools):
    async def renew(refresh: str):
        return "access-token-text", "refresh-token-text", 1800.0

    pool = pools[0]
    await TokenStore(pool, _keys(OLD), "acme", "hubspot").access("given", renew)
    sealed = await pool.fetchval("select sealed from connection.tokens")
    assert b"token-text" not in sealed
    await TokenStore(pool, _keys(NEW, OLD), "acme", "hubspot").access("given", renew)
    resealed = await pool.fetchval("select sealed from connection.tokens")
    assert resealed != sealed
    newest = TokenStore(pool, _keys(NEW), "acme", "hubspot")
    assert (await newest.access("given", renew))[0] == "access-token-text"

    wrong = TokenStore(pool, _keys(OLD), "acme", "hubspot")
    with pytest.raises(Unauthorized, match=r"acme/hubspot.*none of PLUMBLINE_KEYS") as caught:
        await wrong.access("given", renew)
    said = f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"
    for hidden in ("token-text", "given", OLD, NEW):
        assert hidden not in said
    assert (await wrong.access("configured anew", renew))[0] == "access-token-text"

    await pool.execute("update connection.tokens set connection = 'other'")
    moved = TokenStore(pool, _keys(OLD), "acme", "other")
    hashed = await pool.fetchval("select given_hash from connection.tokens")
    with pytest.raises(WrongKeyError):
        moved._keys.open(await pool.fetchval("select sealed from connection.tokens"), moved._bound)
    assert hashed is not None


@pytest.mark.server
async def test_no_token_is_logged(hubspot, process, logged):
    printing = logged("DEBUG")
    await process(0).read()
    hubspot.state.tokens.refresh.clear()
    hubspot.state.tokens.expire()
    failing = process(1)
    for _ in range(2):
        with pytest.raises(Unauthorized) as caught:
            await failing.read()
        structlog.get_logger().error("refused", error=str(caught.value), exc_info=caught.value)
    structlog.get_logger().info("kept", kept=failing.client._tokens.given)
    printed = printing.getvalue()
    assert "refused" in printed
    for hidden in ("oauth-access-", "refresh-given", SECRET, OLD):
        assert hidden not in printed


def test_what_keys_must_be():
    with pytest.raises(ConfigError, match="PLUMBLINE_KEYS is not set"):
        Keys.from_environment({})
    for wrong in ("c2hvcnQ=", "not base64!"):
        with pytest.raises(ConfigError, match="key 2 is not base64 of 32 bytes") as caught:
            _keys(OLD, wrong)
        assert wrong not in str(caught.value)
        assert OLD not in str(caught.value)


def test_an_oauth_connection_without_keys_is_named(monkeypatch):
    monkeypatch.delenv("PLUMBLINE_KEYS", raising=False)
    reference = dict.fromkeys(("client_id", "client_secret", "refresh_token"), "env:ANY")
    with_oauth = HubSpotConnection(name="hubspot", kind="hubspot", oauth=reference)
    with pytest.raises(
        ConfigError, match=r"connections\.hubspot\.oauth \(acme\): .*PLUMBLINE_KEYS"
    ):
        TokenStore.of(None, "acme", with_oauth)
    plain = HubSpotConnection(name="hubspot", kind="hubspot", access_token="env:ANY")
    assert TokenStore.of(None, "acme", plain) is None


def test_key_texts_are_redacted():
    said = redact_text(f"PLUMBLINE_KEYS={OLD},{NEW} is wrong")
    assert OLD not in said
    assert NEW not in said
    assert said.endswith("is wrong")
