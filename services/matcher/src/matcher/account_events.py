"""Typed changes of an account, for `accounts.events.v1` (design 4), as JSON has them.

The contract is `plumbline_schemas.events.AccountEvent`; a test holds every event against it.
"""

from collections.abc import Iterator
from typing import Any, Final

from plumbline_domain.movements import CUSTOMER_CAUSED, PLANNED
from plumbline_schemas.accounts import Reminder
from plumbline_schemas.events import AccountEventType, Movement

from matcher.cause import RecordCause
from matcher.documents import StateDocument, value_of
from matcher.snapshot import kind_of

_TROUBLE = frozenset({"failing", "past_due"})

EventDocument = dict[str, Any]


def account_events(
    before: StateDocument | None,
    after: StateDocument,
    movement: Movement | None,
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
        found += _about_fields(before, after, movement) if before is not None else ()
        found += _about_time(before, after)
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
            "movement": movement if kind == "account.mrr_changed" else None,
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
    before: StateDocument, after: StateDocument, movement: Movement | None
) -> Iterator[_Found]:
    if after["merged_into"] is not None:
        return
    if movement in CUSTOMER_CAUSED:
        yield "account.mrr_changed", "mrr_ending" if movement in PLANNED else "mrr", {}
    if value_of(before, "plan") != value_of(after, "plan"):
        yield "account.plan_changed", "plan", {}
    if before["state"] != after["state"]:
        yield "account.state_changed", "state", {}
    was, now = value_of(before, "payment_status"), value_of(after, "payment_status")
    if now in _TROUBLE and was not in _TROUBLE:
        yield "account.payment_failed", "payment_status", {}
    if now == "paid" and was in _TROUBLE:
        yield "account.payment_recovered", "payment_status", {}


_ABOUT: Final[dict[Reminder, str | None]] = {
    "account.trial_ending": None,
    "account.renewal_approaching": "next_renewal_at",
    "account.card_expiring": "payment_method_expires_at",
}


def _about_time(before: StateDocument | None, after: StateDocument) -> Iterator[_Found]:
    """What has come near and was not told of yet; `details.at` is when it will be."""
    told = {} if before is None else before.get("announced", {})
    for kind, field in _ABOUT.items():
        at = after["announced"].get(kind)
        if at is not None and told.get(kind) != at:
            yield kind, field, {"at": at}
