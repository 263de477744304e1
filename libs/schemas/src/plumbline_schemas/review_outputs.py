"""What the commands about matches print with `--json`: the review queue and links."""

from datetime import datetime

from plumbline_schemas.attention_details import Candidate, Evidence
from plumbline_schemas.ids import AccountId, ExternalKey
from plumbline_schemas.internal import DecisionAction
from plumbline_schemas.money import Money
from plumbline_schemas.outputs import Output


class ReviewItem(Output):
    """One question to a person."""

    id: str
    """To type; made from the item's key, so it stays the same."""
    workspace: str
    kind: str
    subject: str
    summary: str
    opened_at: datetime
    age_seconds: int
    group: str | None
    mrr: Money | None
    """What the account pays a month now."""
    account: AccountId | None = None
    customer: ExternalKey | None = None
    name: str | None = None
    email_domain: str | None = None
    reasons: tuple[str, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    record: ExternalKey | None = None
    """The record that several customers share."""
    customers: tuple[ExternalKey, ...] = ()
    """The customers that share it."""
    keys: tuple[ExternalKey, ...] = ()
    """The two that may be one."""
    probability: float | None = None
    """That they are one."""
    evidence: tuple[Evidence, ...] = ()
    """That they are one."""


class ReviewGroup(Output):
    """Items of one domain; items without one are groups of their own."""

    workspace: str
    group: str | None
    mrr: list[Money]
    """Sum of each account once, by currency."""
    items: list[ReviewItem]


class ReviewList(Output):
    """`plumbline review list`: what is worth most first."""

    open: int
    groups: list[ReviewGroup]


class Known(Output):
    """What is known of one customer or record."""

    key: ExternalKey
    name: str | None = None
    emails: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    phone: str | None = None
    owner: str | None = None
    company: str | None = None
    """Which company the customer's metadata names."""
    crm_id: str | None = None
    """Which record the customer's metadata names."""
    stripe_customer_ids: tuple[str, ...] = ()
    """Customers that stand on the record."""
    deleted: bool = False
    linked_to: AccountId | None = None


class StandingDecision(Output):
    """The newest decision on a subject."""

    id: str
    workspace: str
    subject: str
    action: DecisionAction
    customer: ExternalKey | None
    record: ExternalKey | None
    other: ExternalKey | None
    withdrawn: bool
    probability: float | None = None
    """What the machine had said of what it decides."""
    model_version: str | None = None
    decided_by: str
    decided_at: datetime


class ReviewShown(Output):
    """`plumbline review show ID`."""

    item: ReviewItem
    known: list[Known]
    """Customers first, then the records, in the order of the candidates."""
    decisions: list[StandingDecision]
    """What was decided about its customers before."""


class LeftAlone(Output):
    """An item of the group that the answer does not fit."""

    item: str
    why: str


class Settled(Output):
    """What became of an item."""

    item: str
    status: str
    """`closed`, or `open`: it still asks."""
    summary: str
    customer: ExternalKey | None
    account: AccountId | None
    records: list[ExternalKey]
    """CRM records that the customer's account is linked to now."""


class Decided(Output):
    """`plumbline review decide|undo`, `plumbline links unlink|cannot-link`."""

    decisions: list[StandingDecision]
    replaced: list[StandingDecision]
    """Decisions that stood on the same subjects before."""
    left_alone: list[LeftAlone]
    folded: bool
    """False: it is in the log, and was not folded within the time waited."""
    settled: list[Settled]
    also_closed: int
    """Further items of the same groups that closed meanwhile."""
    still_open: int
    """Items of the same groups that still ask."""


class LinkInterval(Output):
    """One external id's time on one account."""

    workspace: str
    key: ExternalKey
    account: AccountId
    method: str
    evidence: str
    sentences: tuple[Evidence, ...]
    score: int | None
    """In thousandths of a nat: the weights' bias and the pieces' weights, added up."""
    probability: float | None
    norm_version: int | None
    model_version: str | None
    decided_by: str | None
    opened_at: datetime | None
    closed_at: datetime | None
    opened_version: int
    closed_version: int | None


class LinksShown(Output):
    """`plumbline links show`: what an account is linked to, and what was decided about it."""

    workspace: str
    account: AccountId
    links: list[LinkInterval]
    decisions: list[StandingDecision]


class LinkHistory(Output):
    """`plumbline links history KEY`, oldest first."""

    key: ExternalKey
    intervals: list[LinkInterval]
    decisions: list[StandingDecision]


class DuplicatePair(Output):
    """Two customers, or two records, that may be one."""

    workspace: str
    keys: tuple[ExternalKey, ExternalKey]
    names: tuple[str | None, str | None]
    probability: float
    evidence: tuple[Evidence, ...]


class Duplicates(Output):
    """`plumbline identity duplicates`, the likeliest first."""

    records: list[DuplicatePair]
    customers: list[DuplicatePair]
    scanned_records: int
    scanned_customers: int
    opened: int
    """Attention items opened or changed by this call."""
    closed: int
    """Items closed: merged, changed, or called two by a person."""


class MethodShare(Output):
    """How many customers are linked by one method."""

    method: str
    customers: int
    share: float
    """Of the linked ones."""


class DriftBin(Output):
    """Probabilities of a range: what was said, and what persons found."""

    start: float
    end: float
    decisions: int
    said: float
    found: float


class WorkspaceIdentity(Output):
    """How matching stands in one workspace."""

    workspace: str
    customers: int
    linked: int
    asked: int
    unmatched: int
    without_record: int
    match_rate: float | None
    """Linked customers per customer that is not known to be without a record."""
    methods: list[MethodShare]
    median_age_days: float | None
    """Of the open questions."""
    oldest_age_days: float | None
    drift: list[DriftBin]
    reviews: int
    """Decisions that answered a guess, and so teach something."""
    enough: int
    """Decisions from which on they may correct the probabilities."""


class IdentityReports(Output):
    """`plumbline identity report`."""

    workspaces: list[WorkspaceIdentity]


class Recalibrated(Output):
    """`plumbline identity recalibrate`: what to configure, and what to expect of it."""

    workspace: str
    decisions: int
    precision: float
    """Asked for."""
    auto_at: float | None
    """Probability from which to link; None: nothing reaches that precision."""
    linked: int
    """Of the pairs it was reckoned with, how many would link."""
    wrong_per_1000: float
    now: float
    """`auto_at` of the shipped weights."""
    now_wrong_per_1000: float
    configuration: str
    """To put into the deployment file."""
