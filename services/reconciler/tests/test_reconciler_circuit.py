"""Walks of refused, failing and wrong accounts, over real HTTP and PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from plumbline_runtime.budget import Budget
from plumbline_runtime.circuit import Circuit
from plumbline_runtime.config import load_config
from plumbline_runtime.health import Health
from plumbline_runtime.pins import configured, pinned_accounts
from plumbline_runtime.postgres import create_pool
from plumbline_schemas.observations import AnyObservation
from plumbline_simulators.stripe.simulator import StripeSettings, stripe_simulator
from reconciler.books import open_book
from reconciler.handle import Walker
from reconciler.settings import ReconcilerSettings
from reconciler.store import Leadership, LeadershipLost, WalkStore
from reconciler.ticker import vendor_clock

pytestmark = pytest.mark.server

OURS, THEIRS, LIVE = "rk_test_ours", "rk_test_theirs", "sk_live_ours"
CONFIG = """
[workspace]
id = "acme"
currency = "EUR"
[connections.pay]
kind = "stripe"
mode = "test"
api_key = "file:{key}"
webhook_secrets = ["env:NOT_READ_HERE"]
api_base = "{base}"
"""
FAST = ReconcilerSettings(retry_seconds=0.02, retry_seconds_max=0.05, refused_retry_seconds=0.05)


class Published:
    """Keeps what was published."""

    def __init__(self) -> None:
        self.observations: list[AnyObservation] = []

    async def publish_observations(self, observations: Sequence[AnyObservation]) -> None:
        self.observations += observations


class Stage:
    """A workspace whose Stripe key stands in a file, and walkers on it."""

    def __init__(self, pool: asyncpg.Pool, folder: Path) -> None:
        self.pool = pool
        self.key = folder / "key"
        self.file = folder / "plumbline.toml"
        self.published = Published()
        self.health = Health("test")
        self.tasks: list[asyncio.Task[None]] = []
        self.closes: list[Any] = []

    def deploy(self, base: str, key: str) -> None:
        """What the operator puts in."""
        self.key.write_text(key + "\n")
        self.file.write_text(CONFIG.format(key=self.key, base=base))

    def circuit(self, account: Any, role: str = "walks") -> Circuit:
        connection = load_config(self.file).workspaces[0].connections["pay"]
        return Circuit(
            self.pool, "acme", "pay", role=role, account=account, expected=configured(connection),
            retry_seconds=0.1, health=self.health, wake=lambda: None,
        )  # fmt: skip

    def walk(self) -> asyncio.Task[None]:
        """Start a walker, as a process would."""
        workspace = load_config(self.file).workspaces[0]
        budget = Budget.of(self.pool, "acme", workspace.connections["pay"])
        opened = open_book(workspace, "pay", self.pool, budget)
        self.book = opened.book
        self.closes.append(opened.close)

        async def room() -> None:
            return None

        walker = Walker(
            "acme", "pay", opened.book, positions=WalkStore(self.pool), publisher=self.published,
            budget=budget, circuit=self.circuit(opened.account()), wait_for_room=room,
            health=self.health, settings=FAST,
        )  # fmt: skip
        self.tasks.append(asyncio.create_task(walker.run()))
        return self.tasks[-1]

    async def anew(self) -> None:
        """The walk is due again."""
        await self.pool.execute("delete from reconciler.walks")
        self.published.observations.clear()

    async def attention(self) -> dict[tuple[str, str], str]:
        rows = await self.pool.fetch("select kind, subject, status from runtime.attention_view")
        return {(row["kind"], row["subject"]): row["status"] for row in rows}

    async def until(self, item: tuple[str, str], status: str) -> None:
        async with asyncio.timeout(10):
            while (await self.attention()).get(item) != status:
                await asyncio.sleep(0.02)


@pytest.fixture
async def stage(database_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    pool = await create_pool(database_url)
    made = Stage(pool, tmp_path)
    yield made
    for task in made.tasks:
        task.cancel()
    await asyncio.gather(*made.tasks, return_exceptions=True)
    for close in made.closes:
        await close()
    await pool.close()


@pytest.fixture
async def stripe() -> AsyncIterator[Any]:
    async with stripe_simulator(StripeSettings(api_keys=(OURS, LIVE))) as simulator:
        await control(simulator, "seed", {"customers": [{"id": f"cus_{n}"} for n in range(5)]})
        yield simulator


async def control(simulator: Any, path: str, data: Any) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{simulator.control_url}/control/{path}", json=data)
        answer.raise_for_status()


def shown(stage: Stage) -> list[str]:
    return sorted(one.id for one in stage.published.observations if one.kind == "customer")


async def test_sandbox_drill_another_account_is_never_read(stage: Stage, stripe: Any) -> None:
    stage.deploy(stripe.base_url, OURS)
    await asyncio.wait_for(stage.walk(), 10)
    assert len(shown(stage)) == 5
    assert await pinned_accounts(stage.pool) == {("acme", "pay"): "acct_1PlumblineSimulator"}
    theirs = StripeSettings(api_keys=(THEIRS,), account_id="acct_1SomebodyElse")
    async with stripe_simulator(theirs) as other:
        stage.deploy(other.base_url, THEIRS)
        await stage.anew()
        walking = stage.walk()
        await stage.until(("wrong_account", "pay"), "open")
        await asyncio.sleep(0.5)
        assert stage.published.observations == []
        assert {call["path"] for call in other.state.calls.calls()} == {"/v1/account"}
        assert not walking.done()
        walking.cancel()
    stage.deploy(stripe.base_url, OURS)
    await asyncio.wait_for(stage.walk(), 10)
    assert len(shown(stage)) == 5
    assert (await stage.attention())["wrong_account", "pay"] == "closed"


async def test_a_live_key_on_a_test_connection_is_refused_without_the_account_endpoint(
    stage: Stage, stripe: Any
) -> None:
    await control(
        stripe, "faults", {"path": "/v1/account", "action": {"kind": "status", "status": 404}}
    )
    stage.deploy(stripe.base_url, OURS)
    await asyncio.wait_for(stage.walk(), 10)
    row = await stage.pool.fetchrow("select account_id, mode from connection.pins")
    assert tuple(row) == (None, "test")
    await stage.anew()
    stage.deploy(stripe.base_url, LIVE)
    stage.walk()
    await stage.until(("wrong_account", "pay"), "open")
    await asyncio.sleep(0.3)
    assert stage.published.observations == []


async def test_a_rotated_key_is_taken_up_without_a_restart(stage: Stage, stripe: Any) -> None:
    stage.deploy(stripe.base_url, "rk_test_revoked")
    walking = stage.walk()
    await stage.until(("connection_refused", "pay"), "open")
    stage.key.write_text(OURS)
    await asyncio.wait_for(walking, 10)
    assert len(shown(stage)) == 5
    assert await stage.attention() == {("connection_refused", "pay"): "closed"}


async def test_a_failing_walk_is_told_after_three_tries_and_goes_on_where_it_was(
    stage: Stage, stripe: Any
) -> None:
    stage.deploy(stripe.base_url, OURS)
    fault = {"path": "/v1/customers", "times": 4, "action": {"kind": "status", "status": 500}}
    await control(stripe, "faults", fault)
    walking = stage.walk()
    await stage.until(("failed_walk", "pay/initial"), "open")
    await asyncio.wait_for(walking, 10)
    assert (await stage.attention())["failed_walk", "pay/initial"] == "closed"
    paths = [call["path"] for call in stripe.state.calls.calls()]
    assert (paths.count("/v1/products"), paths.count("/v1/customers")) == (1, 5)


async def test_a_clock_of_a_connection_that_is_closed_off_does_not_tick(
    stage: Stage, stripe: Any
) -> None:
    stage.deploy(stripe.base_url, OURS)
    await asyncio.wait_for(stage.walk(), 10)

    class Answering:
        account_id, mode = "acct_1SomebodyElse", "test"

        async def look(self) -> "Answering":
            return self

        async def drop(self) -> None:
            return None

        async def adopt(self) -> bool:
            return False

    circuit = stage.circuit(Answering(), "clock")
    clock = vendor_clock(stage.book.now, circuit)  # type: ignore[attr-defined]
    assert await clock() is None
    assert (await stage.attention())["wrong_account", "pay"] == "open"
    circuit._account = replace_account(Answering(), "acct_1PlumblineSimulator")
    async with asyncio.timeout(10):
        while (now := await clock()) is None:
            await asyncio.sleep(0.02)
    assert now.tzinfo is not None


def replace_account(answering: Any, account_id: str) -> Any:
    answering.account_id = account_id
    return answering


async def test_one_reconciler_leads_and_notices_when_it_no_longer_does(
    stage: Stage, database_url: str
) -> None:
    first, second = Leadership(database_url), Leadership(database_url)
    led = asyncio.Event()

    async def stand_by() -> None:
        async with second.held():
            led.set()

    async with first.held():
        waiting = asyncio.create_task(stand_by())
        await asyncio.sleep(0.3)
        assert not led.is_set()
        watching = asyncio.create_task(first.watch())
        await stage.pool.execute(
            """select pg_terminate_backend(pid) from pg_locks
               where locktype = 'advisory' and granted and classid::bigint << 32 | objid::bigint
                     = $1 and database = (select oid from pg_database
                                          where datname = current_database())""",
            Leadership.LOCK,
        )
        with pytest.raises(LeadershipLost):
            await asyncio.wait_for(watching, 10)
        await asyncio.wait_for(led.wait(), 10)
        await waiting
