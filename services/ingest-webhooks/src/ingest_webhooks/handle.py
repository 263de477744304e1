"""What a delivery means: observations, reads, dead letters, counted skips. No I/O, no clock.

In order: `understand` each record, gather what writeback desires for `echo_candidates`, then
`decide` (design 5: observe only translates, it calls no vendor).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from plumbline_connectors.decoding import Undecodable
from plumbline_connectors.hubspot.notifications import Notification, parse_notifications
from plumbline_connectors.hubspot.translate import HubSpotContext, same_value
from plumbline_connectors.stripe.paths import READABLE
from plumbline_connectors.stripe.translate import (
    ReadWanted,
    StripeContext,
    Translated,
    Untranslatable,
    translate_event,
)
from plumbline_runtime.records import Record
from plumbline_schemas.fields import FIELDS
from plumbline_schemas.ids import split_key
from plumbline_schemas.observations import CRM_KINDS, AnyObservation

from ingest_webhooks.deliveries import HeadersMissing, Origin, plain_id, read_origin
from ingest_webhooks.store import ReadWish

Desired = Mapping[tuple[str, str], Mapping[str, Mapping[str, str | None]]]
"""(workspace, connection) -> record id -> property -> the value writeback wants there."""

_REREAD_ACTIONS: Final = frozenset(
    {"creation", "deletion", "merge", "restore", "propertyChange", "privacyDeletion"}
)

AFTER_DELIVERY: Final = timedelta(seconds=2)
"""As after a tie (design 5)."""


class HubSpotSource(NamedTuple):
    """What understanding a HubSpot delivery needs."""

    context: HubSpotContext
    portal_id: str | None


Sources = Mapping[tuple[str, str], StripeContext | HubSpotSource]
"""Every connection of the deployment by (workspace, name)."""


class Dead(NamedTuple):
    """A record that cannot be handled."""

    record: Record
    reason: str
    error: str
    source: str = ""


class Notifications(NamedTuple):
    """A HubSpot delivery, read but not yet decided."""

    record: Record
    origin: Origin
    source: HubSpotSource
    rows: Sequence[Notification]


class Facts(NamedTuple):
    """A Stripe delivery, translated."""

    record: Record
    origin: Origin
    translated: Translated


Understood = Dead | Notifications | Facts


@dataclass
class Plan:
    """Everything a batch asks for."""

    observations: list[AnyObservation] = field(default_factory=list)
    wishes: list[ReadWish] = field(default_factory=list)
    dead: list[Dead] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    last_events: dict[tuple[str, str], datetime] = field(default_factory=dict)


def understand(record: Record, sources: Sources) -> Understood:
    """Decode one record of the raw topic; whatever is wrong with it becomes a Dead."""
    try:
        origin = read_origin(record.headers)
    except HeadersMissing as error:
        return Dead(record, "invalid", str(error))
    label = f"{origin.workspace}/{origin.connection}"
    source = sources.get((origin.workspace, origin.connection))
    if source is None:
        return Dead(record, "unknown_connection", f"no connection {label} is configured", label)
    vendor = "hubspot" if isinstance(source, HubSpotSource) else "stripe"
    if vendor != origin.vendor:
        problem = f"connection {label} is now {vendor}, the delivery is {origin.vendor}"
        return Dead(record, "unknown_connection", problem, label)
    body = record.value or b""
    try:
        if isinstance(source, HubSpotSource):
            return Notifications(record, origin, source, parse_notifications(body))
        return Facts(record, origin, translate_event(body, source, received_at=origin.received_at))
    except (Undecodable, Untranslatable) as error:
        return Dead(record, error.reason, str(error), label)


def echo_candidates(understood: Iterable[Understood]) -> dict[tuple[str, str], list[str]]:
    """Records whose desired values must be known: those with a change of a mapped property.

    Not those that HubSpot names as our own write: they are skipped whatever their value is.
    """
    wanted: dict[tuple[str, str], set[str]] = {}
    for one in understood:
        if not isinstance(one, Notifications):
            continue
        ids = {
            row.object_id
            for row in one.rows
            if row.object_id is not None
            and not row.is_own_write
            and plain_id(row.object_id) is not None
            and _mapped_field(one.source.context, row)
        }
        if ids:
            key = (one.origin.workspace, one.origin.connection)
            wanted.setdefault(key, set()).update(ids)
    return {key: sorted(ids) for key, ids in wanted.items()}


def decide(understood: Iterable[Understood], desired: Desired) -> Plan:
    """Turn a batch into one plan, in the batch's order."""
    plan = Plan()
    for one in understood:
        if isinstance(one, Dead):
            plan.dead.append(one)
            continue
        key = (one.origin.workspace, one.origin.connection)
        known = plan.last_events.get(key)
        received = one.origin.received_at
        plan.last_events[key] = received if known is None else max(known, received)
        if isinstance(one, Facts):
            _decide_facts(one, plan)
        else:
            _decide_notifications(one, desired.get(key, {}), plan)
    return plan


def _decide_facts(facts: Facts, plan: Plan) -> None:
    plan.observations.extend(facts.translated.observations)
    if facts.translated.skipped is not None:
        plan.skipped[facts.translated.skipped] += 1
    told = {one.key for one in facts.translated.observations}
    for wanted in facts.translated.reads:
        wish = _wish_of(wanted, facts.origin.received_at, competes=wanted.key in told)
        if wish is None:
            plan.skipped["unreadable_kind"] += 1
        else:
            plan.wishes.append(wish)


def _wish_of(wanted: ReadWanted, received_at: datetime, *, competes: bool) -> ReadWish | None:
    """`competes`: the delivery tells of the object too; a read of that second must not lose to it.

    The start of a read is told by whole seconds and floored, so it may be stamped a second early.
    """
    key = split_key(wanted.key)
    if key.kind not in READABLE or plain_id(key.vendor_id) is None:
        return None
    not_before = received_at + AFTER_DELIVERY if competes else None
    return ReadWish(*key, wanted.reason, "webhook", received_at, received_at, not_before)


def _decide_notifications(
    delivery: Notifications, desired: Mapping[str, Mapping[str, str | None]], plan: Plan
) -> None:
    ours = delivery.source.portal_id
    rows = [row for row in delivery.rows if ours is None or row.portal_id == ours]
    if delivery.rows and not rows:
        found = ", ".join(sorted({row.portal_id for row in delivery.rows}))
        label = f"{delivery.origin.workspace}/{delivery.origin.connection}"
        error = f"notifications of portal {found}, connection {label} is pinned to {ours}"
        plan.dead.append(Dead(delivery.record, "wrong_account", error, label))
        return
    if skipped := len(delivery.rows) - len(rows):
        plan.skipped["wrong_account"] += skipped
    for row in rows:
        reason = skip_reason(row, delivery.source.context, desired.get(row.object_id or "", {}))
        if reason is not None:
            plan.skipped[reason] += 1
            continue
        plan.wishes.extend(_wishes_of(row, delivery.origin))


def skip_reason(
    row: Notification, context: HubSpotContext, desired: Mapping[str, str | None]
) -> str | None:
    """Why a notification needs no read; None when it does.

    Our own write coming back costs none (design 9): its value is the one we want there, or HubSpot
    names our app as its source. Only a change of a mapped property can be ours.
    """
    if row.kind not in CRM_KINDS or row.action not in _REREAD_ACTIONS:
        return "unhandled_type"
    if not _ids(row):
        return "bad_object_id"
    mapped = _mapped_field(context, row)
    if mapped is None or row.property_name is None:
        return None
    if row.is_own_write:
        return "own_write"
    if row.property_name in desired and same_value(
        FIELDS[mapped].type, row.property_value, desired[row.property_name]
    ):
        return "own_value"
    return None


def _mapped_field(context: HubSpotContext, row: Notification) -> str | None:
    """Our field behind the property that changed."""
    if row.action != "propertyChange" or row.kind is None:
        return None
    for ours, vendor_property in context.mapping.get(row.kind, {}).items():
        if vendor_property == row.property_name:
            return ours
    return None


def _wishes_of(row: Notification, origin: Origin) -> list[ReadWish]:
    """Look at the record; after a merge at the old ids too, which lead to the survivor."""
    assert row.kind is not None
    return [
        ReadWish(
            origin.workspace,
            origin.connection,
            row.kind,
            vendor_id,
            f"notification:{row.action}",
            "webhook",
            origin.received_at,
            origin.received_at,
        )
        for vendor_id in _ids(row)
    ]


def _ids(row: Notification) -> list[str]:
    """The records a notification is about; empty when one of the ids is none."""
    named = dict.fromkeys((row.object_id, *row.related_ids))
    ids = [one for one in named if one is not None]
    return ids if all(plain_id(one) is not None for one in ids) else []
