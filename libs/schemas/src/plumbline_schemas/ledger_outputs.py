"""What the commands about the ledger print with `--json`: history, book, movements."""

from datetime import date, datetime
from typing import Any

from plumbline_schemas.events import Cause, Movement
from plumbline_schemas.ids import AccountId
from plumbline_schemas.money import Money
from plumbline_schemas.outputs import Output

Day = date


class FieldChange(Output):
    """One thing about an account that a record changed; None is unknown or not there."""

    field: str
    """Name of a field, or `links`, `state`, `stage`, `flags`, `merged_into`."""
    before: Any
    after: Any
    rule: str | None
    """Rule that made the value, of fields only."""


class AccountChange(Output):
    """One ledger row."""

    version: int
    effective_at: datetime
    """Vendor time of the record that made the change."""
    recorded_at: datetime
    """When it was written down: a rebuild's own time after a rebuild."""
    movement: Movement | None
    mrr_before: Money | None
    mrr_after: Money | None
    cause: Cause
    rule_version: int
    config_revision: int | None
    changed: list[FieldChange]
    events: list[str]
    """Types of the account events it published."""


class AccountHistory(Output):
    """`plumbline accounts history ID`, oldest first."""

    workspace: str
    timezone: str
    account: AccountId
    changes: list[AccountChange]


class MrrSum(Output):
    """MRR of several customers in one currency."""

    mrr: Money
    customers: int
    """Accounts with MRR above zero."""


class PlanMrr(MrrSum):
    """MRR of the customers on one plan; None: their plan is unknown."""

    plan: str | None


class AccountMrr(Output):
    """MRR of one account."""

    account: AccountId
    name: str | None
    plan: str | None
    mrr: Money


class MrrAt(Output):
    """`plumbline mrr at --date DATE`: the book as the day ended."""

    workspace: str
    date: Day
    timezone: str
    at: datetime
    """The midnight that ended the day."""
    version: int
    """Newest ledger row that was looked at: `--version` with it repeats this answer."""
    totals: list[MrrSum]
    """One a currency."""
    plans: list[PlanMrr]
    accounts: list[AccountMrr]
    """Greatest first; those without MRR are left out."""


class KindMoved(Output):
    """The movements of one kind (docs/ledger.md)."""

    kind: Movement
    amount: Money
    count: int


class MovementLine(Output):
    """One movement of one account."""

    version: int
    account: AccountId
    name: str | None
    kind: Movement
    before: Money
    after: Money
    amount: Money
    booked_at: datetime
    effective_at: datetime
    cause: Cause


class MonthMoved(Output):
    """One currency's month: `opening` + every amount of `movements` = `closing`, exactly."""

    opening: Money
    movements: list[KindMoved]
    closing: Money
    net_new: Money
    """What customers did: new, expansion, reactivation, contraction and churn."""
    customers_at_opening: int
    customers_at_closing: int
    gross_churn_rate: str | None
    """Churn and contraction by the opening, such as `0.031250`; None without an opening."""
    net_churn_rate: str | None
    """The same less expansion and reactivation; below zero when the book grew by itself."""
    customer_churn_rate: str | None
    """Accounts that churned by the customers at opening."""


class MrrMovements(Output):
    """`plumbline mrr movements --month YYYY-MM`."""

    workspace: str
    month: str
    timezone: str
    start: datetime
    end: datetime
    account: AccountId | None
    version: int
    """Newest ledger row that was looked at: `--version` with it repeats this answer."""
    currencies: list[MonthMoved]
    lines: list[MovementLine]
    """Only with `--lines`, in the order they are booked."""
