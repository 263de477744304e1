"""What `plumbline ... --json` prints: one model a command, so scripts may rely on the keys."""

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from plumbline_schemas.accounts import AccountState
from plumbline_schemas.ids import AccountId, ExternalKey

ServiceState = Literal["up", "starting", "down"]


class Output(BaseModel):
    """Keys are only ever added."""

    model_config = ConfigDict(frozen=True)


class ServiceStatus(Output):
    """One service of the running deployment."""

    name: str
    pid: int | None
    state: ServiceState
    restarts: int
    rss_bytes: int | None
    health_url: str | None
    detail: str = ""


class ConnectionStatus(Output):
    """One configured connection."""

    name: str
    workspace: str
    kind: str
    last_event_at: datetime | None
    state: Literal["ok", "refused", "wrong_account"] = "ok"
    """`refused`: the vendor refuses our credentials; `wrong_account`: they open an account that is
    not the connection's. Either way nothing is read or written through it."""
    since: datetime | None = None
    detail: str = ""


class RatesStatus(Output):
    """The exchange rates of one workspace."""

    workspace: str
    source: str
    """File or address, less its query."""
    every: Literal["month", "day"]
    newest_day: date | None
    """The newest day the source has told of."""
    checked_at: datetime | None
    """When the source last said so."""
    state: Literal["ok", "waiting", "stale", "failing", "broken"]
    """`waiting`: not asked yet; `stale`: the newest day is too old; `failing`: it may pass;
    `broken`: a person must repair it."""
    since: datetime | None = None
    detail: str = ""


class Status(Output):
    """`plumbline status` (design 9). Counts are what still waits; zero everywhere is settled."""

    ready: bool
    settled: bool
    edge_url: str | None
    services: list[ServiceStatus]
    lag: int
    """Records not yet processed, over every consumer, plus ledger rows not yet published."""
    reads: int
    effects: int
    attention: int
    attention_kinds: dict[str, int] = {}
    """Open items by kind; held effects count one by one in `attention`, not here."""
    incomplete: int = 0
    """Accounts of which something is missing; they keep their last values."""
    dead_letters: dict[str, int]
    """Open letters by dead-letter topic."""
    connections: list[ConnectionStatus]
    rates: list[RatesStatus] = []
    """One for each workspace that has `[rates]`."""


class AccountShown(Output):
    """`plumbline accounts show`: the state as published last."""

    account: AccountState


class AccountHit(Output):
    """One row of `plumbline accounts search`."""

    id: AccountId
    name: str | None
    state: str
    mrr: str | None
    plan: str | None
    links: list[ExternalKey]


class AccountSearch(Output):
    """`plumbline accounts search`."""

    accounts: list[AccountHit]


class Why(Output):
    """`plumbline accounts why ID FIELD`: the value, and what put it there."""

    account: AccountId
    field: str
    value: Any
    rule: str
    version: int
    connection: str | None
    object: str | None
    event_id: str | None
    event_type: str | None
    vendor_time: datetime | None
    received_at: datetime | None
    origin: str | None
    working: list[str] = Field(default_factory=list)
    """The arithmetic behind an amount, line by line; its wording is no contract."""


class PlanField(Output):
    """One property that would be written."""

    property: str
    now: str | None
    then: str | None


class PlanRecord(Output):
    """What waits for one CRM record."""

    workspace: str
    connection: str
    record: ExternalKey
    account: AccountId
    fields: list[PlanField]


class Plan(Output):
    """`plumbline plan`."""

    waiting: list[PlanRecord]
    approved: bool
    """Whether this call approved the plan."""


class Migrated(Output):
    """`plumbline migrate`: what was run, as `schema: revision`."""

    applied: list[str]


class Applied(Output):
    """`plumbline apply`: workspaces whose configuration was appended to their log."""

    workspaces: list[str]


class Redelivered(Output):
    """`plumbline redeliver`: positions that were set back."""

    positions: dict[str, int]
    """`group/topic/partition` -> next offset."""


class DemoStep(Output):
    """One step of the demo's story."""

    title: str
    fact: str
    shown: str
    milliseconds: float | None
    """From the fact to HubSpot's value; None where nothing may be written."""
    right: bool


class DemoTold(Output):
    """`plumbline demo`: every step, and whether every value of the book was right."""

    right: bool
    ready_seconds: float | None
    steps: list[DemoStep]


class Rebuilt(Output):
    """`plumbline rebuild`: digests of what was rebuilt and, if there was one, of the original."""

    records: int
    digest: str
    compared_with: str | None
    equal: bool | None
    different: tuple[str, ...] = ()
    """The parts (accounts, links, ledger, ...) whose digests are not equal."""
    seconds: float


class DeadLetterRow(Output):
    """One dead letter: why a record could not be handled, and what a person decided about it."""

    id: str
    """`topic/partition/offset` in the dead-letter topic."""
    topic: str
    reason: str
    workspace: str
    """`-` where the record doesn't tell."""
    connection: str
    """`workspace/connection`, empty where unknown."""
    key: str | None
    error_class: str
    error: str
    stack_hash: str
    """Equal for equal places in the code: letters of one cause."""
    attempts: int
    first_failed_at: datetime
    last_failed_at: datetime
    service: str
    first: str | None
    """The first letter of the same record, when it was replayed and failed again."""
    status: Literal["open", "replayed", "discarded"]
    handled_by: str | None
    handled_at: datetime | None
    note: str | None


class DeadLetterGroup(Output):
    """Letters of one topic, connection, reason and place in the code."""

    topic: str
    connection: str
    reason: str
    stack_hash: str
    letters: int
    first_failed_at: datetime
    last_failed_at: datetime
    example: str


class DeadLetterList(Output):
    """`plumbline dlq list`: `groups` count all letters asked for, `letters` are the newest."""

    open: int
    groups: list[DeadLetterGroup]
    letters: list[DeadLetterRow]
    shown: int
    found: int


class HeaderShown(Output):
    """One Kafka header; control characters are escaped."""

    name: str
    value: str | None


class DeadLetterShown(Output):
    """`plumbline dlq show ID`."""

    letter: DeadLetterRow
    headers: list[HeaderShown]
    body_bytes: int
    body: str | None
    """Only on request; secrets and addresses are replaced, control characters escaped."""


class DeadLettersHandled(Output):
    """`plumbline dlq replay` and `discard`."""

    action: Literal["replayed", "discarded"]
    letters: list[str]
    """Handled now, in the order of the log; a letter's neighbours of the same key go with it."""
    already: list[str]
    """Asked for, but handled before: left alone."""


class AttentionItem(Output):
    """One thing that needs a person."""

    workspace: str
    kind: str
    subject: str
    status: Literal["open", "closed"]
    summary: str
    opened_at: datetime
    changed_at: datetime
    details: dict[str, Any]


class AttentionList(Output):
    """`plumbline attention list`, oldest first."""

    items: list[AttentionItem]
