"""What `plumbline ... --json` prints: one model a command, so scripts may rely on the keys."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

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
    """`refused`: the vendor refuses our credentials; `wrong_account`: they open another account than
    the connection's. Either way nothing is read or written through it."""
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
    dead_letters: dict[str, int]
    connections: list[ConnectionStatus]


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
    seconds: float
