"""A log to write by hand, and a matcher to fold it without Kafka."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from matcher.handle import GROUP, Matcher
from matcher.publish import OutboxPublisher
from plumbline_runtime.positions import create_positions
from plumbline_runtime.postgres import create_pool
from plumbline_runtime.producer import Message, PublishFailed
from plumbline_runtime.records import Batch, Record
from plumbline_schemas.decisions import subject_of
from plumbline_schemas.ids import ExternalKey, external_key
from plumbline_schemas.internal import Decision
from plumbline_schemas.observations import OBSERVATION_ADAPTER, AnyObservation, encode_observation
from plumbline_schemas.topics import OBSERVATIONS, Topic

START = datetime(2026, 6, 15, 12, tzinfo=UTC)


class Log:
    """Observations of workspace `acme`, one second apart unless told otherwise."""

    def __init__(self) -> None:
        self.observations: list[AnyObservation] = []

    def add(self, kind: str, vendor_id: str, body: Any = None, **facts: Any) -> AnyObservation:
        number = len(self.observations) + 1
        at = START + timedelta(seconds=number)
        crm = kind in {"company", "contact"}
        plain = {
            "workspace": "acme",
            "connection": "hubspot" if crm else "stripe",
            "kind": kind,
            "id": vendor_id,
            "vendor_time_ms": int(at.timestamp() * 1000),
            "seen": "read" if crm else "event",
            "origin": "webhook",
            "event_id": None if crm else f"evt_{number}",
            "received_at": at + timedelta(milliseconds=300),
            "body": body,
        }
        parent = facts.pop("customer", None)
        if parent is not None:
            plain["parent_key"] = external_key("acme", "stripe", "customer", parent)
        observation = OBSERVATION_ADAPTER.validate_python({**plain, **facts})
        self.observations.append(observation)
        return observation

    def config(self, **changes: Any) -> None:
        names = [
            {"name": "stripe", "kind": "stripe", "mode": "test"},
            {"name": "hubspot", "kind": "hubspot"},
        ]
        body = {"currency": "eur", "connections": names, **changes}
        self.add("config", "workspace", body, connection="@", origin="console", event_id=None)

    def walked(self, *connections: str) -> None:
        for name in connections or ("stripe", "hubspot"):
            self.add("walk", "initial", {}, connection=name, seen="walk", origin="walk")

    def ready(self, **changes: Any) -> None:
        """A workspace whose first walks are over."""
        self.config(**changes)
        self.walked()

    def tick(self, as_of: datetime) -> None:
        body = {"as_of": as_of}
        self.add("tick", "clock", body, connection="@", origin="tick", event_id=None)

    def customer(self, vendor_id: str, email: str | None = None, **facts: Any) -> AnyObservation:
        """Without a name: nobody's name tells what company it is."""
        body = {"email": email or f"{vendor_id}@{vendor_id}.example"}
        told = {name: facts.pop(name, None) for name in ("crm_id", "name", "company", "phone")}
        return self.add("customer", vendor_id, {**body, **told}, **facts)

    def subscription(
        self, vendor_id: str, customer: str, amount: int = 10000, **changes: Any
    ) -> AnyObservation:
        facts = {name: changes.pop(name) for name in ("vendor_time_ms",) if name in changes}
        price = {
            "price_id": f"price_{amount}",
            "product": "prod_1",
            "lookup_key": changes.pop("lookup_key", f"plan_{amount}"),
            "currency": "eur",
            "unit_amount": str(amount),
            "recurring": {"interval": "month"},
        }
        body = {
            "status": "active",
            "currency": "eur",
            "start_date": START - timedelta(days=30),
            "items": [{"item_id": f"si_{vendor_id}", "quantity": 1, "price": price}],
        }
        return self.add("subscription", vendor_id, {**body, **changes}, customer=customer, **facts)

    def invoice(self, vendor_id: str, customer: str, **changes: Any) -> AnyObservation:
        facts = {name: changes.pop(name) for name in ("vendor_time_ms",) if name in changes}
        body = {
            "status": "paid",
            "currency": "eur",
            "amount_paid": 10000,
            "attempted": True,
            "collection_method": "charge_automatically",
            "finalized_at": START,
        }
        return self.add("invoice", vendor_id, {**body, **changes}, customer=customer, **facts)

    def person(self, action: str, *named: str, **changes: Any) -> AnyObservation:
        """A person decides: `named` are the customer, then the record or other customer."""
        keys = dict(zip(("customer", "record"), map(_key, named), strict=False))
        body = Decision.model_validate(
            {"action": action, **keys, "decided_by": "ann", "decided_at": START, **changes}
        )
        facts = {"connection": "@", "origin": "console", "event_id": None}
        return self.add("decision", subject_of(body), body.model_dump(mode="json"), **facts)

    def company(self, vendor_id: str, *domains: str, **changes: Any) -> AnyObservation:
        facts = {
            name: changes.pop(name) for name in ("deleted", "vendor_time_ms") if name in changes
        }
        body = {"name": f"Company {vendor_id}", "domains": domains, **changes}
        return self.add("company", vendor_id, body, **facts)


def _key(text: str) -> ExternalKey:
    """`cus_1` or `77` as an external key of `acme`."""
    if text.startswith("cus"):
        return external_key("acme", "stripe", "customer", text)
    return external_key("acme", "hubspot", "company", text)


def records_of(observations: Sequence[AnyObservation]) -> list[Record]:
    return [
        Record(OBSERVATIONS.name, 0, offset, 0, o.key.encode(), encode_observation(o), ())
        for offset, o in enumerate(observations)
    ]


class Dead:
    """Collects dead letters."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    async def send(
        self, record: Record, topic: Topic, *, reason: str, error: BaseException | str
    ) -> None:
        self.reasons.append(reason)


class Topics:
    """Collects what is published; fails as long as `down`."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, Message]] = []
        self.down = False

    async def publish_many(self, topic: Topic, messages: Sequence[Message]) -> None:
        if self.down:
            raise PublishFailed(topic.name)
        self.messages += [(topic.name, message) for message in messages]

    def of(self, topic: Topic) -> list[Message]:
        return [message for name, message in self.messages if name == topic.name]


class Bench:
    """A matcher on a database of its own."""

    def __init__(self, pool: asyncpg.Pool, **sizes: int) -> None:
        self.pool = pool
        self.dead = Dead()
        self.topics = Topics()
        self.outbox = OutboxPublisher(pool, self.topics)
        self.matcher = Matcher(pool, self.dead, self.outbox, **sizes)

    async def fold(self, records: Sequence[Record], *, size: int = 500) -> None:
        await create_positions(self.pool, GROUP, OBSERVATIONS.name, {0: 0})
        position = await self.position()
        left = [record for record in records if record.offset >= position]
        for start in range(0, len(left), size):
            part = left[start : start + size]
            await self.matcher.handle(Batch(OBSERVATIONS, 0, part, group=GROUP))
            await self.matcher.settled()

    async def run(self, log: Log, *, size: int = 500) -> None:
        await self.fold(records_of(log.observations), size=size)

    async def position(self) -> int:
        return int(
            await self.pool.fetchval(
                "select next_offset from runtime.offsets where group_id = $1 and partition = 0",
                GROUP,
            )
        )

    async def rewind(self) -> None:
        await self.pool.execute("update runtime.offsets set next_offset = 0")
        self.matcher = Matcher(self.pool, self.dead, self.outbox)

    async def state(self, customer: str) -> dict[str, Any]:
        """State of the account that a Stripe customer belongs to now."""
        key: ExternalKey = external_key("acme", "stripe", "customer", customer)
        found: dict[str, Any] = await self.pool.fetchval(
            """select a.state from matcher.links l join matcher.accounts a
               using (workspace, account_id) where l.key = $1 and l.closed_version is null""",
            key,
        )
        return found

    async def changes(self) -> int:
        return int(await self.pool.fetchval("select count(*) from matcher.account_changes"))


def crm_links(state: dict[str, Any]) -> list[str]:
    keys = [link["key"].split("/", 3) for link in state["links"]]
    return [vendor_id for _, _, kind, vendor_id in keys if kind != "customer"]


def value(state: dict[str, Any], name: str) -> Any:
    return state["fields"][name]["value"]


class Kit:
    """What the tests import."""

    log = Log
    bench = Bench
    records = staticmethod(records_of)
    crm_links = staticmethod(crm_links)
    value = staticmethod(value)
    start = START


@pytest.fixture(scope="session")
def kit() -> type[Kit]:
    return Kit


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    made = await create_pool(database_url)
    yield made
    await made.close()


@pytest.fixture
def bench(pool: asyncpg.Pool) -> Bench:
    return Bench(pool)


@pytest.fixture
def log() -> Callable[[], Log]:
    return Log
