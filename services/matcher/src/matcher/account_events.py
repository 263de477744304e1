"""Typed changes of an account, for `accounts.events.v1` (design 4)."""

from collections.abc import Iterator
from typing import Any

from plumbline_domain.movements import CUSTOMER_CAUSED
from plumbline_schemas.accounts import AccountState, FieldValue
from plumbline_schemas.events import AccountEvent, AccountEventType, Movement

from matcher.cause import RecordCause

_TROUBLE = frozenset({"failing", "past_due"})


def account_events(
    before: AccountState | None,
    after: AccountState,
    movement: Movement | None,
    cause: RecordCause,
    *,
    opening: bool,
) -> list[AccountEvent]:
    """What downstream teams hear of one change.

    While the book is read for the first time (`opening`) fields changing is no news: only that
    accounts exist, and their links. MRR movements that no customer caused are no events (design 6).
    """
    found = list(_about_links(before, after))
    if before is not None and not opening:
        found += _about_fields(before, after, movement)
    return [
        AccountEvent(
            type=kind,
            account=after.id,
            workspace=after.workspace,
            version=after.version,
            occurred_at=cause.vendor_time,
            field=field,
            before=None if before is None or field is None else before.fields.get(field),
            after=None if field is None else after.fields.get(field),
            movement=movement if kind == "account.mrr_changed" else None,
            cause=cause.published,
            details=details,
        )
        for kind, field, details in found
    ]


_Found = tuple[AccountEventType, str | None, dict[str, Any]]


def _about_links(before: AccountState | None, after: AccountState) -> Iterator[_Found]:
    if before is None:
        yield "account.created", None, {}
    had = {} if before is None else _records(before)
    has = _records(after)
    for key in sorted(has.keys() - had.keys()):
        yield "account.linked", None, {"record": key, **has[key]}
    for key in sorted(had.keys() - has.keys()):
        yield "account.unlinked", None, {"record": key}
    if after.merged_into is not None:
        yield "account.merged", None, {"merged_into": after.merged_into}
    was_ambiguous = before is not None and before.flags.ambiguous
    if after.flags.ambiguous and not was_ambiguous:
        yield "account.ambiguous", "ambiguous", {}


def _records(state: AccountState) -> dict[str, dict[str, str]]:
    return {
        link.key: {"method": link.method, "evidence": link.evidence}
        for link in state.links
        if link.key.split("/", 3)[2] != "customer"
    }


def _about_fields(
    before: AccountState, after: AccountState, movement: Movement | None
) -> Iterator[_Found]:
    if after.merged_into is not None:
        return
    if movement in CUSTOMER_CAUSED:
        yield "account.mrr_changed", "mrr", {}
    if _value(before.fields.get("plan")) != _value(after.fields.get("plan")):
        yield "account.plan_changed", "plan", {}
    if before.state != after.state:
        yield "account.state_changed", "state", {}
    was = _value(before.fields.get("payment_status"))
    now = _value(after.fields.get("payment_status"))
    if now in _TROUBLE and was not in _TROUBLE:
        yield "account.payment_failed", "payment_status", {}
    if now == "paid" and was in _TROUBLE:
        yield "account.payment_recovered", "payment_status", {}


def _value(field: FieldValue | None) -> object:
    return None if field is None else field.value
