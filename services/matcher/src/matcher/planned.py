"""Planned cancellations as movements: a subscription is set to end, or goes on after all."""

from typing import Any, NamedTuple

from plumbline_domain.facts import SubscriptionFacts
from plumbline_domain.instants import instant_text
from plumbline_domain.subscriptions import ENDED
from plumbline_domain.tally import planned_end
from plumbline_schemas.events import Movement

from matcher.cause import RecordCause
from matcher.documents import StateDocument, value_of
from matcher.snapshot import Snapshot, kind_of

_FIELD = "planned_cancellation_at"


class Planned(NamedTuple):
    """The movement, and what its event says; `details` None: no event."""

    movement: Movement
    details: dict[str, Any] | None


def planned_by(
    snapshot: Snapshot, before: StateDocument | None, after: StateDocument, cause: RecordCause
) -> Planned | None:
    """What the record did to planned cancellations, when it moved no MRR.

    Only a subscription's own record plans an end or takes it back; one that has ended is churn.
    """
    if before is None or kind_of(cause.key) != "subscription":
        return None
    row = snapshot.objects.get(cause.key)
    kept = None if row is None else snapshot.book(row.parent_key).get(cause.key)
    facts = None if kept is None or kept.seen is None else kept.seen.body
    if not isinstance(facts, SubscriptionFacts) or facts.status in ENDED:
        return None
    rise = _ending(after) - _ending(before)
    first, last = value_of(before, _FIELD) is None, value_of(after, _FIELD) is None
    ends = planned_end(facts)
    if ends is not None and (rise > 0 or (first and not last)):
        return Planned("planned_cancellation", _details(after, cause, instant_text(ends), rise))
    if ends is None and (rise < 0 or (last and not first)):
        ended = _was(before, cause)
        details = None if ended is None else _details(before, cause, ended, -rise)
        return Planned("planned_cancellation_undone", details)
    return None


def _ending(state: StateDocument) -> int:
    value = value_of(state, "mrr_ending")
    return int(value["minor"]) if isinstance(value, dict) else 0


def _was(before: StateDocument, cause: RecordCause) -> str | None:
    """When the subscription was to end, if it was the first of the account to end."""
    field = before["fields"].get(_FIELD)
    if field is None or field["object"] != cause.key.split("/", 3)[3]:
        return None
    value: str | None = field["value"]
    return value


def _details(state: StateDocument, cause: RecordCause, ends_at: str, minor: int) -> dict[str, Any]:
    known = value_of(state, "mrr_ending")
    money = {"minor": minor, "currency": known["currency"]} if isinstance(known, dict) else None
    return {"subscription": cause.key, "ends_at": ends_at, "mrr_ending": money}
