"""Bodies of Plumbline's own observations: ticks, walk markers, decisions, configuration, rates."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Final, Literal

from pydantic import Field

from plumbline_schemas.catalogue import Body


class Tick(Body):
    """Time as an input: "now" is the greatest `as_of` the log has shown so far (design 5)."""

    as_of: datetime


class WalkMarker(Body):
    """A walk of one vendor's book has published everything it saw."""

    status: Literal["completed"] = "completed"
    scope: Literal["initial", "gap", "daily", "weekly"] = "initial"
    rows: dict[str, int] = Field(default_factory=dict)
    """Published rows by kind."""


class Decision(Body):
    """What a person decided. `approve_plan` lets the first writes to the CRM go out."""

    action: Literal["approve_plan"]
    decided_by: str = "cli"
    decided_at: datetime


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
    scope: ConnectionScope = ConnectionScope()


Switch = str | int | bool
"""Value of one switch of an MRR policy."""
AtRiskTrigger = Literal["payment_trouble", "planned_cancellation"]
AT_RISK: Final[tuple[AtRiskTrigger, ...]] = ("payment_trouble", "planned_cancellation")
"""Both are on unless the workspace says otherwise (billing, lifecycle)."""


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
        without a CRM record, and is no part of the book.
        """
        modes = {one.name: one.mode for one in (*self.former, *self.connections)}
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
