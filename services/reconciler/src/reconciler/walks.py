"""The course of a walk, pure: which page comes next, and when the book is through."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Literal

from plumbline_schemas.ids import OWN
from plumbline_schemas.internal import Tick, WalkMarker
from plumbline_schemas.observations import TickObservation, WalkObservation

Scope = Literal["initial", "renewed"]
"""`renewed`: kinds of which an upgrade or the configuration asks for more are read once more."""

STRIPE_KINDS: Final = (
    "product",
    "price",
    "coupon",
    "tax_rate",
    "customer",
    "payment_method",
    "subscription",
    "invoice",
    "charge",
    "credit_note",
)
"""Catalogue first, then holders: what a fold needs is mostly there when it is needed."""


@dataclass(frozen=True, slots=True)
class Walk:
    """Where a walk stands: `kind` is being paged from `cursor`."""

    workspace: str
    connection: str
    scope: Scope
    kinds: tuple[str, ...]
    kind: str
    cursor: str | None = None
    rows: Mapping[str, int] = field(default_factory=dict)
    skipped: Mapping[str, int] = field(default_factory=dict)
    completed: bool = False


def begin(
    workspace: str, connection: str, kinds: Sequence[str], *, scope: Scope = "initial"
) -> Walk:
    """Start a walk of a connection; it reads at least one kind."""
    if not kinds:
        raise ValueError(f"{workspace}/{connection}: a walk needs at least one kind of object")
    return Walk(workspace, connection, scope, tuple(kinds), kinds[0])


def to_renew(
    kinds: Sequence[str], asked: Mapping[str, str], before: Mapping[str, str]
) -> list[str]:
    """Kinds of which something else is asked now than was before."""
    return [kind for kind in kinds if asked.get(kind) != before.get(kind)]


def advance(walk: Walk, *, published: int, skipped: int, next_cursor: str | None) -> Walk:
    """Account for one page; moves on to the next kind after the last page of a kind."""
    moved = replace(
        walk,
        rows={**walk.rows, walk.kind: walk.rows.get(walk.kind, 0) + published},
        skipped={**walk.skipped, walk.kind: walk.skipped.get(walk.kind, 0) + skipped},
        cursor=next_cursor,
    )
    if next_cursor is not None:
        return moved
    place = walk.kinds.index(walk.kind) + 1
    if place == len(walk.kinds):
        return replace(moved, completed=True)
    return replace(moved, kind=walk.kinds[place])


def may_leave_out(walk: Walk) -> bool:
    """Whether the book is worth having without the kind that is being walked: all but the first,
    which everything else hangs on. What is left out is walked when it can be."""
    return walk.scope == "initial" and walk.kind != walk.kinds[0]


def marker(walk: Walk, now: datetime) -> WalkObservation:
    """What says that the whole book stands before it in the log."""
    return WalkObservation(
        workspace=walk.workspace,
        connection=walk.connection,
        id=walk.scope,
        vendor_time_ms=int(now.timestamp() * 1000),
        seen="walk",
        origin="walk",
        received_at=now,
        body=WalkMarker(scope=walk.scope, rows=dict(walk.rows)),
    )


def tick(workspace: str, as_of: datetime, now: datetime) -> TickObservation:
    """Time as an input: `as_of` is stamped once, here (design 5)."""
    return TickObservation(
        workspace=workspace,
        connection=OWN,
        id="clock",
        vendor_time_ms=int(as_of.timestamp() * 1000),
        seen="event",
        origin="tick",
        received_at=now,
        as_of=as_of,
        body=Tick(as_of=as_of),
    )
