"""Stripe events and objects become observations (vendors 1.2-1.6, design 4-5)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from plumbline_schemas.billing import Invoice, Subscription
from plumbline_schemas.catalogue import Body
from plumbline_schemas.ids import ExternalKey, external_key
from plumbline_schemas.observations import AnyObservation, Origin, Seen

from plumbline_connectors.decoding import Undecodable, decode_json
from plumbline_connectors.stripe.bodies import MetadataKeys
from plumbline_connectors.stripe.errands import ERRANDS, Errand
from plumbline_connectors.stripe.head import THIN, EventHead, head_of
from plumbline_connectors.stripe.kinds import KINDS, Kind, customer_of, is_deletion
from plumbline_connectors.stripe.paths import SENT_ON
from plumbline_connectors.stripe.reading import Fields, Untranslatable

__all__ = [
    "EventFacts",
    "ReadWanted",
    "StripeContext",
    "Translated",
    "Untranslatable",
    "translate_event",
    "translate_object",
]

_ROOT: Final = "data.object"
_PREVIEW_TYPE: Final = "invoice.upcoming"
_PREVIEW_ID: Final = "upcoming_in_"


class StripeContext(NamedTuple):
    """Whose objects these are, and how the connection is set up."""

    workspace: str
    connection: str
    livemode: bool
    """Whether the connection's mode is live; objects of the other mode are refused."""
    crm_id_key: str = "crm_id"
    company_key: str = "company"
    tax_id_key: str = "tax_id"

    def key(self, kind: str, vendor_id: str) -> ExternalKey:
        """External key of one of this connection's objects."""
        return external_key(self.workspace, self.connection, kind, vendor_id)


class ReadWanted(NamedTuple):
    """An object that must be looked at before its state is known."""

    key: ExternalKey
    reason: str


class Translated(NamedTuple):
    """What one event says."""

    observations: tuple[AnyObservation, ...] = ()
    reads: tuple[ReadWanted, ...] = ()
    skipped: str | None = None
    """Why nothing came of it, a metric label; None when something did."""


class EventFacts(NamedTuple):
    """What an event says besides its object."""

    id: str
    type: str
    api_version: str | None = None
    previous_attributes: Mapping[str, Any] | None = None


def translate_event(body: bytes, context: StripeContext, *, received_at: datetime) -> Translated:
    """Say what a delivered event holds: observations, objects to read, or why nothing.

    `vendor_time_ms` is the event's `created` (design 5). Whatever version rendered the object, it
    is tried; text loses U+0000 (see `decoding`), numbers stay exact. A `*.deleted` event is a final
    deletion, and so is a payment method detached; of a subscription it is its last state. An object
    that Plumbline does not keep asks for a read of the one it leads to (`errands`).

    Raises:
        Untranslatable: with the dead letter's reason (`not_json`, `too_deep`, `not_an_event`,
            `wrong_mode`, `untranslatable`) and the path of the offending part.
    """
    try:
        event = decode_json(body)
        head = head_of(event)
    except Undecodable as error:
        raise Untranslatable(str(error), where="event", reason=error.reason) from error
    if head.livemode is not context.livemode:
        raise _wrong_mode(context, head.livemode, where="livemode")
    if head.object == THIN:
        return _thin(head, context)
    try:
        return _snapshot(event, head, context, received_at)
    except RecursionError as error:
        raise Untranslatable("nested too deep", where=_ROOT, reason="too_deep") from error


def translate_object(
    obj: Mapping[str, Any],
    context: StripeContext,
    *,
    seen: Seen,
    origin: Origin,
    vendor_time_ms: int,
    received_at: datetime,
    event: EventFacts | None = None,
) -> AnyObservation | None:
    """Say what one object holds; None for a kind that Plumbline doesn't keep, and for a
    charge or payment method of no customer.

    `obj` is as `decoding.decode_json` read it; `vendor_time_ms` the event's `created`, or the start
    of the read by the vendor's clock; `received_at` when Plumbline first held the fact. An event's
    `previous_attributes` become `previous`: former values of those fields of our body that the
    update changed, in the body's own JSON form with null for what was not set.

    Raises:
        Untranslatable: a required part is missing or unusable, or (of an object that came without
            an event) it is of the other mode.
    """
    fields = Fields(obj, _ROOT)
    kind = KINDS.get(fields.text("object") or "")
    if kind is None:
        return None
    if event is None and obj.get("livemode") is (not context.livemode):
        raise _wrong_mode(context, not context.livemode, where=f"{_ROOT}.livemode")
    keys = MetadataKeys(context.crm_id_key, context.company_key, context.tax_id_key)
    stub = fields.flag("deleted")
    gone = stub or (event is not None and is_deletion(event.type))
    body = None if stub else kind.body(fields, keys)
    customer = None if stub else customer_of(kind, fields, event and event.previous_attributes)
    if customer is None and kind.orphans and not gone:
        return None
    return kind.observation(
        workspace=context.workspace,
        connection=context.connection,
        id=fields.required_text("id"),
        parent_key=None if customer is None else context.key("customer", customer),
        vendor_time_ms=vendor_time_ms,
        seen=seen,
        origin=origin,
        received_at=received_at,
        livemode=context.livemode,
        deleted=gone,
        body=body,
        **({} if event is None else _facts(event, kind, obj, body, keys)),
    )


def _facts(
    event: EventFacts,
    kind: Kind,
    obj: Mapping[str, Any],
    body: Body | None,
    keys: MetadataKeys,
) -> dict[str, Any]:
    previous: dict[str, Any] | None = None
    if body is not None and isinstance(event.previous_attributes, Mapping):
        previous = _previous(kind, obj, event.previous_attributes, body, keys)
    return {
        "event_id": event.id,
        "event_type": event.type,
        "api_version": event.api_version,
        "previous": previous,
    }


def _snapshot(
    event: Mapping[str, Any], head: EventHead, context: StripeContext, received_at: datetime
) -> Translated:
    data = event.get("data")
    obj = data.get("object") if isinstance(data, Mapping) else None
    if not isinstance(data, Mapping) or not isinstance(obj, Mapping):
        raise Untranslatable("expected an object", where=_ROOT, reason="not_an_event")
    errand = ERRANDS.get(head.object_kind or "")
    if errand is not None:
        return _sent_on(errand, Fields(obj, _ROOT), head, context)
    if head.type == _PREVIEW_TYPE or (head.object_id or "").startswith(_PREVIEW_ID):
        return Translated(skipped="preview")
    observation = translate_object(
        obj,
        context,
        seen="event",
        origin="webhook",
        vendor_time_ms=head.created * 1000,
        received_at=received_at,
        event=EventFacts(head.id, head.type, head.api_version, data.get("previous_attributes")),
    )
    if observation is None:
        known = head.object_kind in KINDS
        return Translated(skipped="no_customer" if known else "unhandled_type")
    lacking = _lacking(observation, obj)
    if lacking is not None:
        return Translated((observation,), (ReadWanted(observation.key, lacking),))
    return Translated((observation,))


def _lacking(observation: AnyObservation, raw: Mapping[str, Any]) -> str | None:
    """Why the payload does not say all of the object, so that it must be read as well.

    Before endive an object had no `status_details`: why it is paused or uncollectible is not in the
    delivery, and our reads are rendered at a version that says it (vendors 1.6).
    """
    body = observation.body
    if isinstance(body, Subscription) and body.items_truncated:
        return "items_truncated"
    unsaid = isinstance(body, Subscription | Invoice) and body.status in {"paused", "uncollectible"}
    return "status_details_missing" if unsaid and "status_details" not in raw else None


def _sent_on(errand: Errand, obj: Fields, head: EventHead, context: StripeContext) -> Translated:
    """What is read in the object's place says, as it is now, all that the object could."""
    holder = errand.holder(obj)
    if holder is None:
        return Translated(skipped=errand.nowhere)
    return Translated(reads=(ReadWanted(context.key(*holder), head.type),))


def _thin(head: EventHead, context: StripeContext) -> Translated:
    """A thin event names its object and holds nothing of it (vendors 1.5)."""
    kind, vendor_id = head.object_kind or "", head.object_id
    name = KINDS[kind].name if kind in KINDS else kind if kind in SENT_ON else None
    if name is None or vendor_id is None:
        return Translated(skipped="unhandled_type")
    return Translated(reads=(ReadWanted(context.key(name, vendor_id), head.type),))


def _previous(
    kind: Kind,
    obj: Mapping[str, Any],
    previous: Mapping[str, Any],
    body: Body,
    keys: MetadataKeys,
) -> dict[str, Any] | None:
    """Former values in our words: translate the object as it was, and keep what differs.

    None when the former object can't be said in our words; it only helps to resolve ties.
    """
    try:
        former = kind.body(Fields(_overlaid(obj, previous), _ROOT), keys)
    except Untranslatable:
        return None
    fields = type(former).model_fields
    changed = {name for name in fields if getattr(former, name) != getattr(body, name)}
    return former.model_dump(mode="json", include=changed) if changed else {}


def _overlaid(obj: Mapping[str, Any], previous: Mapping[str, Any]) -> dict[str, Any]:
    """Hashes hold only what changed in them, arrays come whole (vendors 1.2)."""
    merged = dict(obj)
    for name, value in previous.items():
        now = merged.get(name)
        both = isinstance(value, Mapping) and isinstance(now, Mapping)
        merged[name] = _overlaid(now, value) if both else value  # type: ignore[arg-type]
    return merged


def _wrong_mode(context: StripeContext, livemode: bool, *, where: str) -> Untranslatable:
    names = {True: "live", False: "test"}
    message = f"{names[livemode]} mode on connection {context.connection} of the other mode"
    return Untranslatable(message, where=where, reason="wrong_mode")
