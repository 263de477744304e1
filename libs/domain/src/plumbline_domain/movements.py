"""What kind of change an account's MRR made (design 6, movements)."""

from dataclasses import dataclass
from typing import Final, Literal

from plumbline_schemas.events import Movement

CauseKind = Literal["customer", "time", "link", "rules", "rates"]
"""Who moved: the customer's objects, time, a link or merge, configuration or catalogue, rates."""

CUSTOMER_CAUSED: Final[frozenset[Movement]] = frozenset(
    {
        "new",
        "expansion",
        "contraction",
        "churn",
        "reactivation",
        "planned_cancellation",
        "planned_cancellation_undone",
    }
)
"""Only these become business events."""
PLANNED: Final[frozenset[Movement]] = frozenset(
    {"planned_cancellation", "planned_cancellation_undone"}
)
"""Of these the amount is zero: the money goes when the subscription ends, as churn."""


@dataclass(frozen=True, slots=True)
class Change:
    """MRR before and after one record, in minor units of one currency; None while unknown."""

    before: int | None
    after: int | None
    cause: CauseKind
    paid_before: bool
    """Whether this account ever had MRR above zero."""
    opening: bool
    """The book is being read for the first time, so what is seen is not news."""


def movement(change: Change) -> Movement | None:
    """Name the movement; None when the amount did not move."""
    before, after = change.before or 0, change.after or 0
    if before == after or change.after is None:
        return None
    if change.cause == "link":
        return "transfer"
    if not change.paid_before and change.opening:
        return "opening"
    if change.cause == "rates":
        return "restated" if change.before is None else "fx"
    if change.cause == "rules":
        return "restated"
    return by_amount(before, after, paid_before=change.paid_before)


def by_amount(before: int, after: int, *, paid_before: bool) -> Movement:
    """What a customer's own change from one amount to another is called."""
    if before == 0:
        return "reactivation" if paid_before else "new"
    if after == 0:
        return "churn"
    return "expansion" if after > before else "contraction"
