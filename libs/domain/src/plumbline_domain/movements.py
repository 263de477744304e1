"""What kind of change an account's MRR made (billing.md, MRR; design 6, movements)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from plumbline_schemas.events import Movement

CauseKind = Literal["customer", "time", "link", "rules", "rates"]
"""Who moved: the customer's objects, time alone, a link or merge, configuration or catalogue,
exchange rates."""

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
    at_former_rates: int | None = None
    """`after` as the exchange rates of `before` have it; None: the rates are the same."""


@dataclass(frozen=True, slots=True)
class Moved:
    """One movement and its amount: all of one account add up to its MRR."""

    kind: Movement
    minor: int


def movements(change: Change) -> tuple[Moved, ...]:
    """The movements of one change, whose amounts add up to `after - before`.

    What exchange rates moved is `fx`, never expansion or contraction; what is left is the
    customer's. Nothing while MRR is unknown.
    """
    if change.after is None:
        return ()
    before = change.before or 0
    reached = change.after if change.at_former_rates is None else change.at_former_rates
    if change.cause == "rates":
        reached = before
    found = []
    if reached != before:
        found.append(Moved(_kind(change, before, reached), reached - before))
    if change.after != reached:
        found.append(Moved("fx", change.after - reached))
    return tuple(found)


def movement(change: Change) -> Movement | None:
    """Name the first movement; None when the amount did not move."""
    found = movements(change)
    return found[0].kind if found else None


def _kind(change: Change, before: int, after: int) -> Movement:
    if change.cause == "link":
        return "transfer"
    if not change.paid_before and change.opening:
        return "opening"
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


def planned_movements(
    before: Mapping[str, int], after: Mapping[str, int], live: Iterable[str]
) -> tuple[Moved, ...]:
    """Cancellations planned and undone between two states, by subscription.

    `before` and `after`: what each subscription that is set to end contributes, in minor units;
    `live`: those that still run. They are kinds of their own and no part of the total: `minor` is
    what will end, or now stays. A subscription that ended was neither undone nor newly planned.
    """
    running = set(live)
    planned = [Moved("planned_cancellation", after[one]) for one in after if one not in before]
    undone = [
        Moved("planned_cancellation_undone", before[one])
        for one in before
        if one not in after and one in running
    ]
    return (*planned, *undone)
