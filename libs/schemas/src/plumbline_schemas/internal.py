"""Bodies of Plumbline's own observations: ticks, walk markers, decisions, configuration, rates."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from plumbline_schemas.catalogue import Body
from plumbline_schemas.ids import ExternalKey, split_key


class Tick(Body):
    """Time as an input: "now" is the greatest `as_of` the log has shown so far (design 5)."""

    as_of: datetime


class WalkMarker(Body):
    """A walk of one vendor's book has published everything it saw."""

    status: Literal["completed"] = "completed"
    scope: Literal["initial", "gap", "daily", "weekly"] = "initial"
    rows: dict[str, int] = Field(default_factory=dict)
    """Published rows by kind."""


Probability = Annotated[float, Field(ge=0, le=1)]
DecisionAction = Literal[
    "approve_plan",
    "link",
    "not_this",
    "create",
    "agency",
    "subsidiary",
    "split",
    "keep_merged",
    "pick_winner",
    "unlink",
    "cannot_link",
    "not_duplicate",
]
PAIR_ACTIONS: Final[frozenset[DecisionAction]] = frozenset({"not_this", "cannot_link"})
"""They stand for a pair of keys; every other one about a customer stands for that customer."""
_BOTH: Final[frozenset[DecisionAction]] = frozenset(
    {"link", "subsidiary", "unlink", "not_this", "cannot_link"}
)
_GUESSED: Final[frozenset[DecisionAction]] = frozenset({"link", "not_this", "create"})
_RECORD_KINDS: Final = ("company", "contact")


class Decision(Body):
    """What a person decided. `approve_plan` lets the first writes to the CRM go out.

    All others say which company a billing customer is, or is not (identity 7). A decision holds
    keys and no name, no domain and no address: it is kept for ever. What each one names:

    - `link`: the customer is the record. `subsidiary`: it is a daughter of the record, and is
      linked to it. `not_this`, `cannot_link`: it is not the record, and is never asked again;
      `cannot_link` also holds between two customers. `unlink`: it leaves the record it is linked
      to, and they are a cannot-link. All of these name `customer` and `record`.
    - `create`: a record of its own is created. `agency`: the domain of its e-mail is an agency's.
      `keep_merged`: it shares its account rightly. `pick_winner`: the account is its own, the
      others leave. All of these name `customer` alone.
    - `split`: the customer leaves the account it shares; `record` is the one it leaves, if any.
    - `not_duplicate`: two customers (`customer`, `other`) or two records (`record`, `other`) are
      two, and are not asked about again. It changes no link.
    """

    action: DecisionAction
    customer: ExternalKey | None = None
    record: ExternalKey | None = None
    other: ExternalKey | None = None
    """Of `not_duplicate` alone: the second of the pair."""
    withdrawn: bool = False
    """Takes back what stood before on the same subject."""
    probability: Probability | None = None
    """What the machine had said of the pair when it asked, or of its best guess for `create`.

    Decisions correct the probabilities later on: how often was it right that said 0.8?
    """
    model_version: str | None = None
    """Version of the weights that had said so."""
    decided_by: str = "cli"
    decided_at: datetime

    @model_validator(mode="after")
    def _names_what_it_needs(self) -> "Decision":
        if self.action == "not_duplicate":
            self._check_duplicate()
        elif self.other is not None:
            raise ValueError(f"{self.action} names no other key")
        elif self.action != "approve_plan":
            self._check_match()
        elif self.customer or self.record or self.withdrawn:
            raise ValueError("approve_plan names no customer and no record, and is final")
        return self

    @model_validator(mode="after")
    def _only_answers_were_guessed(self) -> "Decision":
        if self.probability is not None and self.action not in _GUESSED:
            raise ValueError(f"{self.action} answers no guess, so it has no probability")
        return self

    def _check_match(self) -> None:
        if self.customer is None:
            raise ValueError(f"{self.action} must name a customer")
        _key_of(self.customer, "customer", ("customer",))
        if self.record is None:
            if self.action in _BOTH:
                raise ValueError(f"{self.action} must name a record")
            return
        if self.action not in _BOTH and self.action != "split":
            raise ValueError(f"{self.action} names a customer and no record")
        kinds = (*_RECORD_KINDS, "customer") if self.action == "cannot_link" else _RECORD_KINDS
        _key_of(self.record, "record", kinds)
        _check_pair(self.customer, self.record)

    def _check_duplicate(self) -> None:
        first = self.record if self.customer is None else self.customer
        if first is None or self.other is None or (self.customer and self.record):
            raise ValueError("not_duplicate names a customer or a record, and another one")
        kinds = _RECORD_KINDS if self.customer is None else ("customer",)
        for role, key in (("first", first), ("other", self.other)):
            _key_of(key, role, kinds)
        _check_pair(first, self.other)


def _check_pair(one: ExternalKey, other: ExternalKey) -> None:
    if split_key(one).workspace != split_key(other).workspace:
        raise ValueError(f"{one} and {other} are of different workspaces")
    if one == other:
        raise ValueError(f"{one} is named twice")


def _key_of(key: ExternalKey, role: str, kinds: Sequence[str]) -> None:
    if split_key(key).kind not in kinds:
        raise ValueError(f"the {role} must be the key of a {' or '.join(kinds)}, got {key!r}")


class ConnectionScope(Body):
    """What of a billing connection counts; what is empty leaves nothing out (features P11)."""

    products: tuple[str, ...] = ()
    """Vendor ids of products."""
    lookup_keys: tuple[str, ...] = ()
    """Lookup keys of prices."""


class ConfigConnection(Body):
    """A connection as far as it changes results; no secret and no address."""

    name: str
    kind: str
    mode: str | None = None
    default_record: Literal["company", "contact"] | None = None
    """Of a CRM: where a customer goes that tells neither a company nor a person."""
    scope: ConnectionScope = ConnectionScope()


Switch = str | int | bool
"""Value of one switch of an MRR policy."""
AtRiskTrigger = Literal["payment_trouble", "planned_cancellation"]
AT_RISK: Final[tuple[AtRiskTrigger, ...]] = ("payment_trouble", "planned_cancellation")
"""Both are on unless the workspace says otherwise (billing, lifecycle)."""


class IdentityThresholds(Body):
    """Probabilities from which a match is made or asked about; None: as the weights have it.

    `plumbline identity recalibrate` tells what `auto_at` a precision takes.
    """

    auto_at: Probability | None = None
    review_at: Probability | None = None
    tax_id_property: str | None = None
    """The CRM property of companies that holds their tax id."""
    domains: dict[str, str] = Field(default_factory=dict)
    """What the workspace says of registrable domains, over the shipped lists (identity.md 7)."""


class WorkspaceConfig(Body):
    """Everything of the configuration file that changes results (design 12)."""

    currency: str
    timezone: str = "UTC"
    connections: tuple[ConfigConnection, ...] = ()
    mrr: str | dict[str, Switch] = "plumbline"
    """Name of a preset, or a table: `base`, the preset it starts from, and switches by name."""
    at_risk: tuple[AtRiskTrigger, ...] = AT_RISK
    """What makes a customer at_risk."""
    unmatched: str = "review"
    identity: IdentityThresholds = IdentityThresholds()
    personal_domains: str = "skip"
    conflict: str = "overwrite"
    first_write: str = "plan"
    dry_run: bool = False
    fields: dict[str, dict[str, str]] = Field(default_factory=dict)
    """Per record kind (company, contact): our field -> vendor property."""
    former: tuple[ConfigConnection, ...] = ()
    """Connections that were configured once: what they told still stands, in their mode.

    Kept with the fold, never in the log.
    """

    def set_apart(self, connection: str) -> bool:
        """Whether a billing connection is of test mode while the workspace has a live one.

        Test mode never mixes with live (billing.md): such a customer has an account of its own,
        without a CRM record, and is no part of the book. The CRM's own mode says nothing of that.
        """
        both = (*self.former, *self.connections)
        modes = {one.name: one.mode for one in both if one.kind == "stripe"}
        return modes.get(connection) == "test" and "live" in modes.values()


CurrencyCode = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
RatesEvery = Literal["month", "day"]


class RateTable(Body):
    """A table of exchange rates, whole: the newest revision of a table's name is what it holds.

    A workspace may have several, which differ in their days: its rates are the days of all of them
    together. With `every` month there is one, `ecb`, with one day for each month: the last with
    rates before the month begins. With `every` day there is one a year, `ecb:2026`. A table without
    days says that its name is no longer used.
    """

    source: str = "ecb"
    """Whose rates these are; never an address."""
    revision: int
    """Rises with each change of this table; the observation's `vendor_time_ms`."""
    every: RatesEvery = "month"
    days: dict[date, dict[CurrencyCode, Annotated[Decimal, Field(gt=0)]]]
    """Units of each currency for one euro; no entry is no rate, never 1."""
