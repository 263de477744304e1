"""What is known of one window of time: the log, the tables, the vendors' own logs.

A window begins where the one before ended, and both ends are quiet, so whatever was accepted in it
was also finished in it. `gather.py` fills this in; `invariants.py` judges it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Raw(NamedTuple):
    """A record of `webhooks.received.v1`."""

    partition: int
    offset: int
    id: str
    """The delivery's id: a Stripe event's own."""
    vendor: str
    received_at_ms: int
    event: Any
    """The decoded body; None when it is not JSON."""

    @property
    def place(self) -> tuple[int, int]:
        return (self.partition, self.offset)


class Observed(NamedTuple):
    """A record of `observations.v1`."""

    partition: int
    offset: int
    key: str
    event_id: str | None

    @property
    def place(self) -> tuple[int, int]:
        return (self.partition, self.offset)


class Letter(NamedTuple):
    """A dead letter: the topic and place of the record it holds, and why."""

    topic: str
    place: tuple[int, int]
    reason: str
    service: str
    """Who could not handle it: the log has two readers."""


class Stored(NamedTuple):
    """A row of `matcher.objects`; `event_ids` are those folded at its vendor time."""

    vendor_time_ms: int
    deleted: bool
    event_ids: frozenset[str]


class Change(NamedTuple):
    """A row of the ledger."""

    sequence: int
    account: str
    event_id: str | None
    events: int


class Published(NamedTuple):
    """A record of `accounts.state.v1` or `accounts.events.v1`."""

    id: str
    account: str
    version: int


class Outcome(NamedTuple):
    """A record of `writeback.outcomes.v1`, in the order of its partition."""

    id: str
    record: str
    account: str
    version: int
    result: str
    key: str


class Sent(NamedTuple):
    """One row of one batch that writeback sent to HubSpot, whatever the answer."""

    trace: str
    record: str
    body: str
    status: int
    late: bool = False
    """The vendor took its time with it: it may have been carried out after its successor."""


class Write(NamedTuple):
    """One write that HubSpot carried out."""

    record: str
    trace: str | None
    properties: Mapping[str, str]


class Made(NamedTuple):
    """A Stripe event about a subscription: from `second` on the customer pays `mrr`."""

    second: int
    customer: str
    subscription: str
    mrr: str


class Read(NamedTuple):
    """A row of `ingest_webhooks.reads`."""

    state: str
    started_at_ms: int | None


@dataclass
class Evidence:
    """One window."""

    acked: Mapping[str, int] = field(default_factory=dict)
    """Stripe event id to how often it was answered with 2xx."""
    notified: Sequence[int] = ()
    """Ids of HubSpot notifications in posts that were answered with 2xx."""
    raws: Sequence[Raw] = ()
    observed: Sequence[Observed] = ()
    letters: Sequence[Letter] = ()
    objects: Mapping[str, Stored] = field(default_factory=dict)
    ledger: Sequence[Change] = ()
    states: Sequence[Published] = ()
    events: Sequence[Published] = ()
    versions: Mapping[str, int] = field(default_factory=dict)
    """Version of each account the ledger touched, as the table has it."""
    reads: Mapping[tuple[str, str], Read] = field(default_factory=dict)
    outcomes: Sequence[Outcome] = ()
    sent: Sequence[Sent] = ()
    writes: Sequence[Write] = ()
    made: Sequence[Made] = ()
    companies: Mapping[str, str] = field(default_factory=dict)
    """Customer to the company it alone pays for."""
    shown_before: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    shown: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    expected: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    newcomers: Sequence[str] = ()
    """Domains of customers that no company of the book has: a record is to be made for each."""
    beside_the_book: Mapping[str, str] = field(default_factory=dict)
    """Domain of every company that is none of the book's, by id."""
    positions: Mapping[tuple[str, int], int] = field(default_factory=dict)
    """(group, partition) to the stored position."""
    backlog: Mapping[str, int] = field(default_factory=dict)
    unfinished: Sequence[str] = ()
    """Effects neither applied nor skipped and creations not done, as `record state: error`."""


@dataclass
class Course:
    """What the harness measured while the case ran."""

    settled_seconds: float | None = 0.0
    settle_limit: float = 30.0
    stops: list[tuple[str, float, int]] = field(default_factory=list)
    """Every SIGTERM: service, seconds, exit status."""
    stop_limit: float = 20.0
    accepted_without_acks: list[int] = field(default_factory=list)
    """2xx answers counted in each time in which Kafka could acknowledge nothing."""
    letters_expected: int = 0
    clock_ahead_ms: int = 0
    """So far ahead an edge's clock went: deliveries may say that they came later than they did."""
    emptied: bool = False
    """For a while Stripe answered that nobody pays: what got through before the brake held is 0."""
    fence_rejections: int | None = None
    """Commits that the position's compare-and-set refused, where the case counted them."""
    replay: "Replay | None" = None


class Replay(NamedTuple):
    """A redelivery: what it wrote and whether the tables were the same after it."""

    from_offset: str
    writes: int
    rows: int
    differing: Sequence[str]
    """Rows of the state that were not the same before and after."""
    rebuilt_equal: bool | None
