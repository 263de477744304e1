"""Typed changes of an account, for `accounts.events.v1` (design 4), as JSON has them.

The contract is `plumbline_schemas.events.AccountEvent`; a test holds every event against it.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from plumbline_domain.instants import instant_text
from plumbline_domain.movements import CUSTOMER_CAUSED, PLANNED
from plumbline_domain.reminders import Coming
from plumbline_schemas.accounts import Reminder
from plumbline_schemas.events import AccountEventType, Movement

from matcher.cause import RecordCause
from matcher.documents import StateDocument, announced_in, value_of
from matcher.planned import Planned
from matcher.snapshot import kind_of

_TROUBLE = frozenset({"failing", "past_due"})

_PLANNED: Final[dict[Movement, AccountEventType]] = {
    "planned_cancellation": "account.cancellation_planned",
    "planned_cancellation_undone": "account.cancellation_undone",
}

EventDocument = dict[str, Any]


class News(NamedTuple):
    """What a change means beside the fields that differ."""

    moved: Movement | None
    """How its MRR moved."""
    planned: Planned | None
    near: Mapping[Reminder, Coming]

    def movement(self, kind: AccountEventType) -> Movement | None:
        """The movement that an event of this type tells of."""
        if kind == "account.mrr_changed":
            return self.moved
        return self.planned.movement if self.planned and kind in _PLANNED.values() else None


def account_events(
    before: StateDocument | None,
    after: StateDocument,
    news: News,
    cause: RecordCause,
    *,
    opening: bool,
) -> list[EventDocument]:
    """What downstream teams hear of one change.

    While the book is read for the first time (`opening`) fields changing is no news: only that
    accounts exist, and their links. MRR movements that no customer caused are no events (design 6).
    """
    found = list(_about_links(before, after))
    if not opening:
        found += _about_fields(before, after, news)
        found += _about_time(before, news.near)
    return [
        {
            "type": kind,
            "account": after["id"],
            "workspace": after["workspace"],
            "version": after["version"],
            "occurred_at": cause.document["vendor_time"],
            "field": field,
            "before": None if before is None or field is None else before["fields"].get(field),
            "after": None if field is None else after["fields"].get(field),
            "movement": news.movement(kind),
            "cause": cause.document,
            "details": details,
        }
        for kind, field, details in found
    ]


_Found = tuple[AccountEventType, str | None, dict[str, Any]]


def _about_links(before: StateDocument | None, after: StateDocument) -> Iterator[_Found]:
    if before is None:
        yield "account.created", None, {}
    had = {} if before is None else _records(before)
    has = _records(after)
    for key in sorted(has.keys() - had.keys()):
        yield "account.linked", None, {"record": key, **has[key]}
    for key in sorted(had.keys() - has.keys()):
        yield "account.unlinked", None, {"record": key}
    if after["merged_into"] is not None:
        yield "account.merged", None, {"merged_into": after["merged_into"]}
    was_ambiguous = before is not None and before["flags"]["ambiguous"]
    if after["flags"]["ambiguous"] and not was_ambiguous:
        yield "account.ambiguous", "ambiguous", {}


def _records(state: StateDocument) -> dict[str, dict[str, str]]:
    return {
        link["key"]: {"method": link["method"], "evidence": link["evidence"]}
        for link in state["links"]
        if kind_of(link["key"]) != "customer"
    }


def _about_fields(
    before: StateDocument | None, after: StateDocument, news: News
) -> Iterator[_Found]:
    """An account that was not there before was a prospect without any value."""
    if after["merged_into"] is not None:
        return
    if news.moved in CUSTOMER_CAUSED - PLANNED:
        yield "account.mrr_changed", "mrr", {}
    if news.planned is not None:
        kind = _PLANNED[news.planned.movement]
        yield kind, "planned_cancellation_at", news.planned.details
    if value_of(before, "plan") != value_of(after, "plan"):
        yield "account.plan_changed", "plan", {}
    if ("prospect" if before is None else before["state"]) != after["state"]:
        yield "account.state_changed", "state", {}
    was, now = value_of(before, "payment_status"), value_of(after, "payment_status")
    if now in _TROUBLE and was not in _TROUBLE:
        yield "account.payment_failed", "payment_status", {}
    if now == "paid" and was in _TROUBLE:
        yield "account.payment_recovered", "payment_status", {}


_WORDS: Final[dict[Reminder, tuple[str, str]]] = {
    "account.trial_ending": ("subscription", "ends_at"),
    "account.renewal_approaching": ("subscription", "renews_at"),
    "account.card_expiring": ("customer", "expires_at"),
}


def _about_time(before: StateDocument | None, near: Mapping[Reminder, Coming]) -> Iterator[_Found]:
    """What has come near and was not told of yet."""
    told = {} if before is None else announced_in(before)
    for kind, (subject, at) in _WORDS.items():
        coming = near.get(kind)
        if coming is not None and told.get(kind) != instant_text(coming.at):
            yield kind, None, {subject: coming.subject, at: instant_text(coming.at)}
