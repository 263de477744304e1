"""A CRM in memory that fails on demand, and a writeback around it on a real PostgreSQL."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

import asyncpg
import orjson
import pytest
from plumbline_connectors.hubspot.creation import Sought
from plumbline_connectors.hubspot.outcomes import RowOutcome
from plumbline_connectors.hubspot.properties import PropertyProblem
from plumbline_runtime.attention import AttentionDesk
from plumbline_runtime.circuit import Circuit
from plumbline_runtime.pins import Identity
from plumbline_runtime.postgres import connect, create_pool
from plumbline_runtime.producer import Message
from plumbline_runtime.records import Batch, Record
from plumbline_runtime.settings import Settings
from plumbline_schemas.accounts import AccountState
from plumbline_schemas.errors import Retryable
from plumbline_schemas.fields import ACCOUNT_ID_PROPERTY, default_mapping
from plumbline_schemas.internal import WorkspaceConfig
from plumbline_schemas.observations import AnyObservation, decode_observation, encode_observation
from plumbline_schemas.topics import ACCOUNTS_STATE, ATTENTION, OBSERVATIONS, Topic
from writeback.consume import AccountsHandler, CrmHandler
from writeback.creation_round import Creations
from writeback.crm import Answered, Sight, UpdateRow
from writeback.deploy import Deployment
from writeback.kinds import Kinds
from writeback.outbox import Outbox
from writeback.round import Rounds
from writeback.sender import Sender
from writeback.settings import WritebackSettings

FOUNDED = datetime(2026, 9, 21, 14, 0, tzinfo=UTC)


@dataclass
class FakeCrm:
    """Records by (kind, id); `script` holds what the next updates do instead of succeeding, and
    `creating` what the next creations do: "taken" and "lost" get no answer."""

    records: dict[tuple[str, str], dict[str, str | None]] = field(default_factory=dict)
    times: dict[tuple[str, str], int] = field(default_factory=dict)
    calls: list[tuple[str, Any]] = field(default_factory=list)
    script: list[Any] = field(default_factory=list)
    row_faults: dict[str, Answered] = field(default_factory=dict)
    problems: list[PropertyProblem] = field(default_factory=list)
    creating: list[Any] = field(default_factory=list)
    gone: frozenset[str] = frozenset()
    clock_ms: int = 1_790_000_000_000
    frozen: bool = False

    def put(self, vendor_id: str, kind: str = "company", **values: str) -> None:
        """A person creates or edits a record."""
        self.records.setdefault((kind, vendor_id), {}).update(values)
        self._touch((kind, vendor_id))

    def _touch(self, key: tuple[str, str]) -> None:
        self.clock_ms += 0 if self.frozen else 1
        self.times[key] = self.clock_ms

    def updates(self) -> list[list[UpdateRow]]:
        return [rows for call, rows in self.calls if call == "update"]

    def rows(self) -> list[UpdateRow]:
        return [row for rows in self.updates() for row in rows]

    async def read_many(
        self, kind: str, ids: Sequence[str], properties: Sequence[str]
    ) -> tuple[dict[str, Sight], list[str]]:
        self.calls.append(("read", list(ids)))
        found = {one: self._sight(kind, one, properties) for one in ids}
        return (
            {one: sight for one, sight in found.items() if sight is not None},
            [one for one, sight in found.items() if sight is None],
        )

    async def read_one(self, kind: str, vendor_id: str, properties: Sequence[str]) -> Sight | None:
        self.calls.append(("read_one", vendor_id))
        return self._sight(kind, vendor_id, properties)

    def _sight(self, kind: str, vendor_id: str, properties: Sequence[str]) -> Sight | None:
        record = self.records.get((kind, vendor_id))
        if record is None:
            return None
        held = {name: record.get(name) for name in properties}
        return Sight(held, self.times[kind, vendor_id])

    async def update(self, kind: str, rows: Sequence[UpdateRow]) -> list[Answered]:
        self.calls.append(("update", list(rows)))
        step = self.script.pop(0) if self.script else None
        if callable(step):
            step = await step(self, kind, rows)
        if isinstance(step, BaseException):
            raise step
        return step or [self._update(kind, row) for row in rows]

    def _update(self, kind: str, row: UpdateRow) -> Answered:
        if row.id in self.row_faults:
            return self.row_faults[row.id]
        self.write(kind, row)
        return Answered(row.id, "ok", dict(row.properties), self.times[kind, row.id], None, None)

    def write(self, kind: str, row: UpdateRow) -> None:
        """Take a row."""
        self.records[kind, row.id].update(row.properties)
        self._touch((kind, row.id))

    async def missing(self, kind: str, mapping: Mapping[str, str]) -> frozenset[str]:
        return self.gone

    async def ensure(self, kind: str, mapping: Mapping[str, str]) -> list[PropertyProblem]:
        self.calls.append(("ensure", kind))
        return self.problems

    async def ensure_account_id(self, kind: str) -> list[PropertyProblem]:
        return await self.ensure(f"{kind} account id", {})

    async def held(self, kind: str, accounts: Sequence[str]) -> dict[str, str]:
        self.calls.append(("held", list(accounts)))
        made = {record.get(ACCOUNT_ID_PROPERTY): one for (_, one), record in self.records.items()}
        return {one: made[one] for one in accounts if one in made}

    async def search(
        self, kind: str, sought: Sequence[Sought]
    ) -> list[tuple[str, dict[str, str | None]]]:
        self.calls.append(("search", list(sought)))
        return [
            (one, dict(record))
            for (_, one), record in self.records.items()
            if any(v in (record.get(one.property) or "") for one in sought for v in one.values)
        ]

    async def create(
        self, kind: str, rows: Mapping[str, Mapping[str, str]]
    ) -> dict[str, RowOutcome]:
        self.calls.append(("create", dict(rows)))
        step = self.creating.pop(0) if self.creating else None
        step = await step() if callable(step) else step
        if step == "taken":
            self._make(kind, rows)
        if isinstance(step, BaseException):
            raise step
        if step is not None:
            raise Retryable("no answer", where="acme/hubspot")
        return self._make(kind, rows)

    def _make(self, kind: str, rows: Mapping[str, Mapping[str, str]]) -> dict[str, RowOutcome]:
        found = {r.get(ACCOUNT_ID_PROPERTY): one for (_, one), r in self.records.items()}
        for account, values in rows.items():
            vendor_id = found.get(account) or str(7000 + len(self.records))
            self.put(vendor_id, kind, **values, **{ACCOUNT_ID_PROPERTY: account})
            found[account] = vendor_id
        return {one: RowOutcome(one, "ok", {"id": found[one]}) for one in rows}

    def created(self) -> list[dict[str, str | None]]:
        """Records that bear an account's id."""
        return [record for record in self.records.values() if record.get(ACCOUNT_ID_PROPERTY)]


class FreeBudget:
    """Grants everything, and notes what it was told."""

    def __init__(self) -> None:
        self.granted: Counter[str] = Counter()
        self.throttles: list[float | None] = []

    async def acquire(self, purpose: str, cost: int = 1, priority: bool = False) -> None:
        self.granted[purpose] += cost

    async def throttled(self, retry_after: float | None, *, daily: bool = False) -> None:
        self.throttles.append(retry_after)


class OpenDoor(NamedTuple):
    """The account is ours, and the secret never moves."""

    account_id: str | None = "4242"
    mode: str | None = None

    async def look(self) -> "OpenDoor":
        return self

    async def drop(self) -> None:
        return None

    async def adopt(self) -> bool:
        return False


class Notes:
    """Health conditions, published records and dead letters."""

    def __init__(self) -> None:
        self.conditions: dict[str, tuple[bool, str]] = {}
        self.published: list[tuple[Topic, Message]] = []
        self.dead: list[tuple[Record, str]] = []

    def set(self, condition: str, ok: bool, detail: str = "") -> None:
        self.conditions[condition] = (ok, detail)

    async def publish_many(
        self, topic: Topic, messages: Sequence[Message], *, timeout_seconds: float | None = None
    ) -> None:
        self.published += [(topic, message) for message in messages]

    async def send(
        self, record: Record, topic: Topic, *, reason: str, error: Any, connection: str = ""
    ) -> None:
        self.dead.append((record, reason))


class World:
    """One workspace "acme" with a billing and a CRM connection."""

    def __init__(self, url: str, pool: asyncpg.Pool, crm: FakeCrm) -> None:
        self.url = url
        self.pool = pool
        self.crm = crm
        self.notes = Notes()
        self.budget = FreeBudget()
        self.account: Any = OpenDoor()
        self.settings = WritebackSettings(
            poll=0.02, coalesce=0.005, circuit_retry=0.1, lock_retry=0.02, http_timeout=0.2,
            blank_delay=0.05, schedule=(0.01, 0.02), row_attempts=3, deploy_check=30.0,
            deploy_retry=0.02, rest=0.01, create_delay=0.01, create_settle=0.05, create_look=30.0,
        )  # fmt: skip
        self.kinds = Kinds(pool, "acme", "hubspot", retry_seconds=0.1, wake=lambda: None)
        self.doubt_delay = 0.0
        self.revision = 1_790_000_000_000
        self._positions: Counter[str] = Counter()
        self._logs: dict[str, list[bytes | None]] = {"accounts": [], "crm": []}
        self._keys: dict[str, list[bytes]] = {"accounts": [], "crm": []}
        self._tasks: list[asyncio.Task[None]] = []
        self.stopping = asyncio.Event()
        self._wake = lambda: None

    # the log ------------------------------------------------------------------------------
    async def states(self, *states: AccountState | str) -> None:
        """Publish states; a plain account id is its tombstone."""
        for state in states:
            tomb = isinstance(state, str)
            self._logs["accounts"].append(None if tomb else state.model_dump_json().encode())
            self._keys["accounts"].append((state if tomb else state.id).encode())
        await self.consume("accounts")

    async def observe(self, *observations: AnyObservation) -> None:
        """Publish observations."""
        for observation in observations:
            self._logs["crm"].append(encode_observation(observation))
            self._keys["crm"].append(observation.key.encode())
        await self.consume("crm")

    async def raw(self, log: str, key: bytes, value: bytes | None) -> None:
        """Publish any bytes."""
        self._logs[log].append(value)
        self._keys[log].append(key)
        await self.consume(log)

    async def redeliver(self) -> None:
        """Set both positions back to the start and consume everything again."""
        self._positions.clear()
        await self.pool.execute("update runtime.offsets set next_offset = 0")
        await self.consume("crm")
        await self.consume("accounts")

    async def consume(self, log: str) -> None:
        """Hand everything new to the handler in one batch."""
        begin = self._positions[log]
        values, keys = self._logs[log][begin:], self._keys[log][begin:]
        if not values:
            return
        topic, group = {
            "accounts": (ACCOUNTS_STATE, "writeback-accounts"),
            "crm": (OBSERVATIONS, "writeback-crm"),
        }[log]
        records = [
            Record(topic.name, 0, begin + place, 0, key, value, ())
            for place, (key, value) in enumerate(zip(keys, values, strict=True))
        ]
        await self.pool.execute(
            """insert into runtime.offsets (group_id, topic, partition, next_offset)
               values ($1, $2, 0, 0) on conflict do nothing""",
            group,
            topic.name,
        )
        kind = AccountsHandler if log == "accounts" else CrmHandler
        delays = (self.settings.blank_delay, self.doubt_delay)
        handler = kind(self.pool, self.notes, self._wake, *delays)
        await handler.handle(Batch(topic, 0, records, group=group, position=begin))
        self._positions[log] = begin + len(values)

    # observations -------------------------------------------------------------------------
    def own(self, kind: str, name: str, body: Mapping[str, Any], connection: str = "@") -> Any:
        """An observation of Plumbline's own, of a newer revision than all before."""
        self.revision += 1
        now = datetime.now(UTC)
        return decode_observation(orjson.dumps({
            "workspace": "acme", "connection": connection, "kind": kind, "id": name,
            "vendor_time_ms": self.revision, "seen": "event", "origin": "console",
            "received_at": now.isoformat(), "body": body,
        }))  # fmt: skip

    def config(self, **policies: Any) -> Any:
        """A configuration; the gate opens by itself unless told otherwise."""
        values = {
            "currency": "usd",
            "connections": (
                {"name": "stripe", "kind": "stripe", "mode": "test"},
                {"name": "hubspot", "kind": "hubspot"},
            ),
            "first_write": "auto",
            "fields": {"company": default_mapping()},
        } | policies
        body = WorkspaceConfig.model_validate(values).model_dump(mode="json")
        return self.own("config", "workspace", body)

    def walks(self) -> list[Any]:
        """Both initial walks complete."""
        return [self.own("walk", "initial", {}, name) for name in ("stripe", "hubspot")]

    def approval(self) -> Any:
        """A person approves the plan."""
        body = {"action": "approve_plan", "decided_at": datetime.now(UTC).isoformat()}
        return self.own("decision", "first_write", body)

    def sight(self, vendor_id: str, kind: str = "company", **changes: Any) -> Any:
        """What a read of the record as it is now would publish."""
        record = self.crm.records.get((kind, vendor_id))
        document = {
            "workspace": "acme", "connection": "hubspot", "kind": kind, "id": vendor_id,
            "vendor_time_ms": self.crm.times.get((kind, vendor_id), self.crm.clock_ms),
            "seen": "read", "origin": "webhook", "received_at": datetime.now(UTC).isoformat(),
            "deleted": record is None,
            "body": None if record is None else {"properties": dict(record)},
        } | changes  # fmt: skip
        return decode_observation(orjson.dumps(document))

    async def opened(self, **policies: Any) -> "World":
        """The books are known and writing is allowed."""
        await self.observe(self.config(**policies), *self.walks())
        return self

    # the sender ---------------------------------------------------------------------------
    def sender(self) -> Sender:
        """A new sender over the same database and CRM, as after a restart."""
        stopping = asyncio.Event()
        deployment = Deployment(
            "acme", "hubspot", self.crm, configured={"company": default_mapping()},
            pool=self.pool, budget=self.budget, circuit=self.circuit("properties"),
            health=self.notes, settings=self.settings,
            stopping=stopping, wake=lambda: None,
        )  # fmt: skip

        session = Settings(service="writeback", kafka_bootstrap_servers="", database_url=self.url)
        sender = Sender(
            "acme", "hubspot", connect=partial(connect, session), deployed=deployment,
            circuit=self.circuit("writes"),
            rounds=Rounds(self.crm, self.budget, deployment, self.settings), settings=self.settings,
            creations=Creations(self.crm, self.budget, deployment, self.kinds, self.settings),
            kinds=self.kinds,
            stopping=stopping, wake_outbox=lambda: None,
        )  # fmt: skip
        self.stopping = stopping
        self._wake = sender.wake
        return sender

    def circuit(self, role: str) -> Circuit:
        """The connection's circuit."""
        return Circuit(
            self.pool, "acme", "hubspot", role=role, account=self.account,
            expected=Identity(None, None), retry_seconds=self.settings.circuit_retry,
            health=self.notes, wake=lambda: None,
        )  # fmt: skip

    async def start(self) -> asyncio.Task[None]:
        """Start a sender."""
        task = asyncio.create_task(self.sender().run())
        self._tasks.append(task)
        return task

    async def stop(self) -> None:
        """Stop senders in order."""
        self.stopping.set()
        await asyncio.gather(*self._tasks)
        self._tasks.clear()

    async def kill(self) -> None:
        """End senders as `kill -9` would, as far as the database can tell."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def settle(self, seconds: float = 10.0) -> None:
        """Carry out everything that is due, now or soon."""
        if not self._tasks:
            await self.start()
        async with asyncio.timeout(seconds):
            while (await self.counts()).get("pending", 0):
                await asyncio.sleep(0.01)

    # what came of it ----------------------------------------------------------------------
    async def counts(self) -> dict[str, int]:
        """Effects by state, as `status` counts them."""
        rows = await self.pool.fetch("select state, n from writeback.pending_effects")
        return {row["state"]: row["n"] for row in rows}

    async def effect(self, vendor_id: str, kind: str = "company") -> asyncpg.Record:
        """One effect."""
        return await self.pool.fetchrow(
            "select * from writeback.effects where kind = $1 and vendor_id = $2", kind, vendor_id
        )

    async def attention(self) -> dict[tuple[str, str], str]:
        """(kind, subject) -> status."""
        rows = await self.pool.fetch("select kind, subject, status from runtime.attention_view")
        return {(row["kind"], row["subject"]): row["status"] for row in rows}

    async def outcomes(self) -> list[dict[str, Any]]:
        """Outcomes stored and not published yet."""
        rows = await self.pool.fetch("select outcome from writeback.outcomes order by id")
        return [row["outcome"] for row in rows]

    async def publish(self) -> list[tuple[Topic, Message]]:
        """Publish what the outbox holds; returns everything published so far."""
        await Outbox(self.pool, self.notes, asyncio.Event()).publish()
        await AttentionDesk(self.pool, self.notes, asyncio.Event()).publish()
        return self.notes.published

    def attention_published(self) -> list[Message]:
        """Attention that went out."""
        return [message for topic, message in self.notes.published if topic is ATTENTION]


@pytest.fixture
def account() -> Any:
    """Make account states: version, MRR in cents, links as (kind, id, opened version)."""

    def make(
        version: int,
        mrr: int = 8333,
        links: Sequence[tuple[str, str, int]] = (("company", "1", 1),),
        *,
        name: str = "A",
        status: str = "paid",
        origin: str = "webhook",
        **changes: Any,
    ) -> AccountState:
        field_ = {"rule": "test", "origin": origin, "version": version}
        values = {
            "mrr": {"minor": mrr, "currency": "usd"},
            "plan": "growth_monthly",
            "payment_status": status,
            "billing_started_at": FOUNDED.isoformat(),
            "stripe_customer_id": f"cus_{name}",
        }
        return AccountState.model_validate({
            "id": "acc_" + name * 26, "workspace": "acme", "version": version,
            "links": [
                {"key": f"acme/hubspot/{kind}/{vendor_id}", "method": "domain",
                 "evidence": "test", "opened_version": opened}
                for kind, vendor_id, opened in links
            ],
            "state": "active", "stage": "paying",
            "fields": {key: {"value": value, **field_} for key, value in values.items()},
            "received_at": datetime.now(UTC) - timedelta(milliseconds=100),
        } | changes)  # fmt: skip

    return make


@pytest.fixture
def crm() -> FakeCrm:
    """An empty CRM."""
    return FakeCrm()


@pytest.fixture
async def world(database_url: str, crm: FakeCrm) -> AsyncIterator[World]:
    """A writeback on a database of its own."""
    pool = await create_pool(database_url)
    made = World(database_url, pool, crm)
    yield made
    await made.kill()
    await pool.close()


@pytest.fixture
def world_type() -> type[World]:
    """For fixtures of their own around a world."""
    return World
