"""The circuit of a connection: one row for all, one prober, credentials of another account kept
out."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest
from plumbline_runtime.circuit import Circuit
from plumbline_runtime.health import Health
from plumbline_runtime.pins import Identity, mismatch, pinned_accounts
from plumbline_runtime.postgres import create_pool
from plumbline_runtime.secrets import ConfigError
from plumbline_schemas.errors import Retryable, Unauthorized

pytestmark = pytest.mark.server

RETRY = 0.15
REFUSAL = Unauthorized("HTTP 401", where="acme/crm", status=401)


class Found(NamedTuple):
    account_id: str | None
    mode: str | None


OURS = Found("acct_1", "test")


@dataclass
class Vendor:
    """What the secrets open; an exception is raised instead."""

    answer: Any = OURS
    secret: str = "first"
    looks: list[str] = field(default_factory=list)
    gate: asyncio.Event | None = None


class Check:
    """One process's account check: the secret it calls with moves only by `adopt`."""

    def __init__(self, vendor: Vendor) -> None:
        self.vendor = vendor
        self.secret = vendor.secret
        self._looked = vendor.secret

    async def look(self) -> Any:
        self._looked = self.vendor.secret
        self.vendor.looks.append(self._looked)
        if self.vendor.gate is not None:
            await self.vendor.gate.wait()
        if isinstance(self.vendor.answer, Exception):
            raise self.vendor.answer
        return self.vendor.answer

    async def drop(self) -> None:
        self._looked = self.secret

    async def adopt(self) -> bool:
        changed = self._looked != self.secret
        self.secret = self._looked
        return changed


@pytest.fixture
async def pool(settings):
    made = await create_pool(settings.database_url, settings)
    yield made
    await made.close()


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


@pytest.fixture
def make(pool, vendor):
    def made(role: str = "reads", **changes: Any) -> Circuit:
        given = {
            "role": role, "account": Check(vendor), "expected": Identity(None, "test"),
            "retry_seconds": RETRY, "health": Health("test"), "wake": lambda: None,
        } | changes  # fmt: skip
        return Circuit(pool, "acme", "crm", **given)

    return made


async def until(circuit: Circuit, answer: str) -> None:
    async with asyncio.timeout(5):
        while await circuit.admit() != answer:
            await asyncio.sleep(0.01)


async def attention(pool) -> dict[str, str]:
    rows = await pool.fetch("select kind, subject, status from runtime.attention_view")
    assert {row["subject"] for row in rows} <= {"crm"}
    return {row["kind"]: row["status"] for row in rows}


async def shown(pool) -> str:
    return await pool.fetchval("select state from connection.circuit_view")


async def test_one_role_is_refused_and_all_wait_until_one_prober_finds_it_over(pool, vendor, make):
    reads, writes = make("reads"), make("writes")
    assert [await reads.admit(), await writes.admit()] == ["go", "go"]
    vendor.answer = REFUSAL
    await writes.refused(REFUSAL)
    await asyncio.sleep(0.5)  # what another process found closed a moment ago
    assert await reads.admit() == "wait"
    assert "HTTP 401" in reads._health.conditions()["credentials:acme/crm"].detail
    assert await attention(pool) == {"connection_refused": "open"}
    assert await shown(pool) == "refused"
    vendor.answer = Found("acct_1", "test")
    await until(reads, "go")
    await until(writes, "go")
    assert await attention(pool) == {"connection_refused": "closed"}
    assert await shown(pool) == "ok"
    details = await pool.fetchval("select details from runtime.attention_view")
    assert (details["connection"], details["seen_by"]) == ("crm", "writes")


async def test_one_prober_at_a_time(pool, vendor, make):
    circuits = [make(f"role{number}") for number in range(5)]
    for circuit in circuits:
        await until(circuit, "go")
    vendor.answer = REFUSAL
    await circuits[0].refused(REFUSAL)
    await asyncio.sleep(0.5)
    vendor.looks.clear()
    vendor.gate = asyncio.Event()
    asking = [asyncio.create_task(circuit.admit()) for circuit in circuits]
    async with asyncio.timeout(5):
        while sum(task.done() for task in asking) < 4:
            await asyncio.sleep(0.01)
    await asyncio.sleep(RETRY * 2)
    assert [await circuit.admit() for circuit in circuits if not circuit._asking.locked()] == (
        ["wait"] * 4
    )
    assert len(vendor.looks) == 1
    vendor.gate.set()
    await asyncio.gather(*asking)


async def test_a_prober_that_is_stopped_leaves_the_question_to_the_next(pool, vendor, make):
    first, second = make(), make()
    vendor.answer = REFUSAL
    await first.refused(REFUSAL)
    vendor.answer, vendor.gate = OURS, asyncio.Event()
    probing = asyncio.create_task(until(first, "go"))
    async with asyncio.timeout(5):
        while len(vendor.looks) < 2:
            await asyncio.sleep(0.01)
    probing.cancel()
    await asyncio.wait({probing})
    vendor.gate = None
    await until(second, "go")


async def test_a_rotated_secret_is_taken_up_without_opening(pool, vendor, make):
    circuit = make()
    await until(circuit, "go")
    vendor.secret = "second"
    await circuit.refused(REFUSAL)
    assert await circuit.admit() == "go"
    assert circuit._account.secret == "second"
    assert await attention(pool) == {}


async def test_new_secrets_reach_every_process_after_it_was_open(pool, vendor, make):
    first, second = make("reads"), make("writes")
    await until(first, "go")
    await until(second, "go")
    vendor.answer = REFUSAL
    await first.refused(REFUSAL)
    vendor.secret, vendor.answer = "second", Found("acct_1", "test")
    await until(first, "go")
    await asyncio.sleep(0.5)
    await until(second, "go")
    assert [one._account.secret for one in (first, second)] == ["second", "second"]


async def test_a_refusal_that_the_account_does_not_show_is_proven_over_by_its_role(
    pool, vendor, make
):
    reads, writes = make("reads"), make("writes")
    await until(reads, "go")
    await until(writes, "go")
    missing_scope = Unauthorized("HTTP 403: scopes", where="acme/crm", status=403)
    await writes.refused(missing_scope)
    await asyncio.sleep(0.5)
    assert await reads.admit() == "wait"
    await until(writes, "trial")
    assert await writes.admit() == "wait"
    await writes.refused(missing_scope)
    assert await attention(pool) == {"connection_refused": "open"}
    await until(writes, "trial")
    await writes.accepted()
    await until(reads, "go")
    assert await pool.fetchval("select version - published_version from runtime.attention") > 0
    assert await attention(pool) == {"connection_refused": "closed"}


async def test_another_account_is_never_called_with(pool, vendor, make):
    circuit = make()
    await until(circuit, "go")
    assert await pinned_accounts(pool) == {("acme", "crm"): "acct_1"}
    vendor.secret, vendor.answer = "theirs", Found("acct_2", "test")
    await circuit.refused(REFUSAL)
    assert await circuit.admit() == "wait"
    assert circuit._account.secret == "first"
    started_anew = make()
    assert await started_anew.admit() == "wait"
    await asyncio.sleep(RETRY)
    assert await started_anew.admit() == "wait"
    assert await attention(pool) == {"wrong_account": "open"}
    assert await shown(pool) == "wrong_account"
    vendor.secret, vendor.answer = "third", Found("acct_1", "test")
    await until(circuit, "go")
    assert circuit._account.secret == "third"
    assert await attention(pool) == {"wrong_account": "closed"}


async def test_from_refused_to_wrong_account_one_item_takes_over(pool, vendor, make):
    circuit = make()
    await until(circuit, "go")
    vendor.answer = REFUSAL
    await circuit.refused(REFUSAL)
    vendor.answer = Found("acct_2", "test")
    async with asyncio.timeout(5):
        while await shown(pool) != "wrong_account":
            assert await circuit.admit() == "wait"
            await asyncio.sleep(0.01)
    assert await attention(pool) == {"connection_refused": "closed", "wrong_account": "open"}


async def test_a_live_key_on_a_pin_that_knows_only_the_mode(pool, vendor, make):
    vendor.answer = Found(None, "test")
    await until(make(), "go")
    vendor.answer = Found(None, "live")
    assert await make().admit() == "wait"
    assert await make(expected=Identity(None, "live")).admit() == "wait"
    detail = await pool.fetchval("select detail from connection.circuit_view")
    assert "found credentials of live mode, the file says test" in detail


async def test_a_vendor_that_is_down_opens_nothing(pool, vendor, make):
    circuit = make()
    vendor.answer = Retryable("HTTP 500", where="acme/crm", status=500)
    assert await circuit.admit() == "wait"
    assert await attention(pool) == {}
    vendor.answer = Found("acct_1", "test")
    await until(circuit, "go")


async def test_a_secret_that_cannot_be_read_waits_for_it(pool, vendor, make):
    circuit = make()
    vendor.answer = ConfigError("found a reference to the file key, which is empty")
    assert await circuit.admit() == "wait"
    assert await attention(pool) == {"connection_refused": "open"}
    vendor.answer = Found("acct_1", "test")
    await until(circuit, "go")


@pytest.mark.parametrize(
    ("found", "expected", "pinned", "why"),
    [
        (("a", "test"), (None, "test"), (None, None), None),
        ((None, None), ("1", "live"), ("1", "live"), None),
        (("a", "live"), (None, "test"), (None, None), "live mode, the file says test"),
        (("2", None), ("1", None), (None, None), "account 2, the file says 1"),
        (("2", None), (None, None), ("1", None), "pinned to 1"),
        ((None, None), (None, "live"), ("1", "test"), "pinned to test mode"),
        (("1", "live"), (None, "live"), ("1", "live"), None),
    ],
)
def test_what_speaks_against_an_account(found, expected, pinned, why):
    told = mismatch(Found(*found), Identity(*expected), Identity(*pinned))
    assert (why is None and told is None) or (why is not None and why in str(told))
