"""Planned cancellations as movements: a subscription is set to end, or goes on after all."""

from typing import Any, NamedTuple

from plumbline_domain.facts import SubscriptionFacts
from plumbline_domain.instants import instant_text
from plumbline_domain.money import to_minor
from plumbline_domain.movements import planned_movements
from plumbline_domain.subscriptions import ENDED
from plumbline_domain.tally import planned_end
from plumbline_schemas.events import Movement

from matcher.cause import RecordCause
from matcher.documents import StateDocument, value_of
from matcher.kept import Kept
from matcher.snapshot import Snapshot, kind_of


class Planned(NamedTuple):
    """The movement, and what its event says."""

    movement: Movement
    details: dict[str, Any]


def planned_by(snapshot: Snapshot, after: StateDocument, cause: RecordCause) -> Planned | None:
    """What the record did to a planned cancellation, whether or not it moved MRR as well.

    Only a subscription's own record plans an end or takes it back; one that has ended is churn.
    """
    if kind_of(cause.key) != "subscription":
        return None
    row = snapshot.objects.get(cause.key)
    kept = None if row is None else snapshot.book(row.parent_key).get(cause.key)
    facts = _facts(kept)
    if kept is None or facts is None:
        return None
    former = _facts(snapshot.replaced.get(cause.key))
    minor = _minor(kept)
    found = planned_movements(
        _set_to_end(cause, former, minor),
        _set_to_end(cause, facts, minor),
        live=() if facts.status in ENDED else (cause.key,),
    )
    if not found:
        return None
    ends = planned_end(facts) or (None if former is None else planned_end(former))
    reported = value_of(after, "mrr")
    money = None
    if minor is not None and isinstance(reported, dict):
        money = {"minor": minor, "currency": reported["currency"]}
    details = {
        "subscription": cause.key,
        "ends_at": None if ends is None else instant_text(ends),
        "mrr_ending": money,
    }
    return Planned(found[0].kind, details)


def _facts(kept: Kept | None) -> SubscriptionFacts | None:
    facts = None if kept is None or kept.seen is None else kept.seen.body
    return facts if isinstance(facts, SubscriptionFacts) else None


def _set_to_end(
    cause: RecordCause, facts: SubscriptionFacts | None, minor: int | None
) -> dict[str, int]:
    """What the subscription would take with it, if it is set to end and has not yet."""
    if facts is None or facts.status in ENDED or planned_end(facts) is None:
        return {}
    return {cause.key: minor or 0}


def _minor(kept: Kept) -> int | None:
    """What the subscription adds to the MRR; None while that is not known."""
    share = None if kept.priced is None else kept.priced.share
    return None if share is None or share.missing else to_minor(share.amount)
