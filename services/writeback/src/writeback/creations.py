"""Records to be created: one row an account, folded from its states; pure.

    pending -> sending -> created -> done        what the vendor made is known by the account's id
    held: too many at once by the configuration (brake); failed: the vendor refuses it

`created` waits until the account's link is published: then the matcher knows the record, and
another account that would get one of the same name or domain (`lock`) has been decided with it.
"""

from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple

from plumbline_schemas.accounts import AccountState, WantedRecord
from plumbline_schemas.ids import ExternalKey, external_key

from writeback.gate import CRM_CONNECTION_KINDS, OPEN, WorkspaceFacts

CreationState = Literal["pending", "held", "sending", "created", "failed", "done"]

_UNSENT: Final = frozenset({"pending", "held", "failed"})


class Creation(NamedTuple):
    """A row of `writeback.creations`; field names are the column names."""

    workspace: str
    account_id: str
    connection: str
    kind: str
    wanted: bool
    """False: the wish was taken back while a call was out; what came of it is looked for."""
    name: str
    domain: str | None
    email: str | None
    lock: str
    customers: list[str]
    state_version: int
    state: CreationState
    doubted: bool
    """A change of the configuration wants it, which the brake counts."""
    vendor_id: str | None
    attempts: int
    next_attempt_at: datetime
    since: datetime
    """When it came into its state."""
    received_at: datetime
    last_error: str | None

    @property
    def subject(self) -> str:
        """What attention about it is about."""
        return f"{self.workspace}/{self.connection}/{self.kind}/new:{self.account_id}"

    @property
    def record_key(self) -> ExternalKey | None:
        """The record that was made."""
        if self.vendor_id is None:
            return None
        return external_key(self.workspace, self.connection, self.kind, self.vendor_id)


def fold_creation(
    known: Creation | None,
    state: AccountState,
    facts: WorkspaceFacts,
    now: datetime,
    delay: timedelta,
) -> Creation | None:
    """What an account's newest state makes of its creation; None: there is nothing to be done.

    `delay` is how long a new wish rests: what comes in the same moment (a name, the record that a
    person makes by hand) is taken into account.
    """
    wish = state.wanted_record
    if wish is None:
        return None if known is None else _withdrawn(known, now)
    connection = _target(facts, wish.kind)
    if connection is None:
        return known
    if known is None or known.state == "done":
        begun = _begun(state, wish, connection, now)
        doubted = facts.gate == OPEN and state.cause == "config"
        return begun._replace(next_attempt_at=now + delay, doubted=doubted)
    fresh = known._replace(
        name=wish.name,
        domain=wish.domain,
        email=wish.email,
        lock=wish.lock,
        customers=list(wish.customers),
        state_version=state.version,
        wanted=True,
    )
    if known.state not in _UNSENT:
        return fresh if known.state == "sending" else known
    changed = (known.name, known.domain, known.email) != (wish.name, wish.domain, wish.email)
    fresh = fresh._replace(kind=wish.kind, connection=connection)
    if known.state == "failed" and changed:
        return fresh._replace(state="pending", attempts=0, next_attempt_at=now, since=now)
    return fresh


def _withdrawn(known: Creation, now: datetime) -> Creation | None:
    """The account has a record, or is to have none any more."""
    if known.state in _UNSENT:
        return None
    if known.state == "sending":
        return known._replace(wanted=False)
    return known._replace(state="done", since=now) if known.state == "created" else known


def _begun(state: AccountState, wish: WantedRecord, connection: str, now: datetime) -> Creation:
    return Creation(
        workspace=state.workspace,
        account_id=state.id,
        connection=connection,
        kind=wish.kind,
        wanted=True,
        name=wish.name,
        domain=wish.domain,
        email=wish.email,
        lock=wish.lock,
        customers=list(wish.customers),
        state_version=state.version,
        state="pending",
        doubted=False,
        vendor_id=None,
        attempts=0,
        next_attempt_at=now,
        since=now,
        received_at=state.received_at or now,
        last_error=None,
    )


def _target(facts: WorkspaceFacts, kind: str) -> str | None:
    """The connection a record is made on: one whose records of that kind are written at all."""
    config = facts.config
    names = [] if config is None else config.connections
    found = (one.name for one in names if one.kind in CRM_CONNECTION_KINDS)
    return next((name for name in found if facts.mapping(name, kind)), None)


def properties_of(row: Creation) -> dict[str, str]:
    """What a new record is given besides the account's id; its values follow with its link."""
    if row.kind == "company":
        given = {"name": row.name, "domain": row.domain}
    else:
        named = row.name if row.name != row.email and row.name not in row.customers else ""
        first, _, last = named.rpartition(" ")
        given = {"firstname": first, "lastname": last, "email": row.email}
    return {name: value for name, value in given.items() if value}
