"""Stripe events and objects become observations (vendors 1.2-1.6, design 4-5)."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from plumbline_schemas.billing import Invoice, Subscription
from plumbline_schemas.catalogue import Body
from plumbline_schemas.ids import ExternalKey, external_key
from plumbline_schemas.observations import (
    AnyObservation,
    CustomerObservation,
    InvoiceObservation,
    Origin,
    PriceObservation,
    ProductObservation,
    Seen,
    SubscriptionObservation,
)

from plumbline_connectors.decoding import Undecodable, decode_json
from plumbline_connectors.stripe.bodies import (
    MetadataKeys,
    customer_body,
    invoice_body,
    subscription_body,
)
from plumbline_connectors.stripe.head import THIN, EventHead, head_of
from plumbline_connectors.stripe.prices import price_body, product_body
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
_CUSTOMERS_OWN: Final = frozenset({"subscription", "invoice"})
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


class _Kind(NamedTuple):
    observation: Callable[..., AnyObservation]
    body: Callable[[Fields, MetadataKeys], Body]


_KINDS: Final[Mapping[str, _Kind]] = {
    "customer": _Kind(CustomerObservation, customer_body),
    "subscription": _Kind(SubscriptionObservation, lambda obj, _: subscription_body(obj)),
    "invoice": _Kind(InvoiceObservation, lambda obj, _: invoice_body(obj)),
    "product": _Kind(ProductObservation, lambda obj, _: product_body(obj)),
    "price": _Kind(PriceObservation, lambda obj, _: price_body(obj)),
}


def translate_event(body: bytes, context: StripeContext, *, received_at: datetime) -> Translated:
    """Say what a delivered event holds: observations, objects to read, or why nothing.

    `vendor_time_ms` is the event's `created` (design 5). Whatever version rendered the object, it
    is tried; text loses U+0000 (see `decoding`), numbers stay exact. A `*.deleted` event of a
    customer, product, price or (draft) invoice is a final deletion; of a subscription it is its
    last state.

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
    """Say what one object holds; None for a kind that Plumbline doesn't keep.

    Args:
        obj: the object as `decoding.decode_json` read it.
        context: the connection.
        seen: how it came.
        origin: what made us look.
        vendor_time_ms: event's `created`, or the start of the read by the vendor's clock.
        received_at: when Plumbline first held the fact.
        event: the event it came with. `previous_attributes` becomes `previous`: former values of
            those fields of our body that the update changed, in the body's own JSON form with null
            for what was not set.

    Raises:
        Untranslatable: a required part is missing or unusable, or (of an object that came without
            an event) it is of the other mode.
    """
    fields = Fields(obj, _ROOT)
    kind = fields.text("object")
    if kind is None or kind not in _KINDS:
        return None
    if event is None and obj.get("livemode") is (not context.livemode):
        raise _wrong_mode(context, not context.livemode, where=f"{_ROOT}.livemode")
    keys = MetadataKeys(context.crm_id_key, context.company_key)
    stub = fields.flag("deleted")
    body = None if stub else _KINDS[kind].body(fields, keys)
    return _KINDS[kind].observation(
        workspace=context.workspace,
        connection=context.connection,
        id=fields.required_text("id"),
        parent_key=None if stub else _parent(kind, fields, context),
        vendor_time_ms=vendor_time_ms,
        seen=seen,
        origin=origin,
        received_at=received_at,
        livemode=context.livemode,
        deleted=stub or (event is not None and event.type == f"{kind}.deleted"),
        body=body,
        **({} if event is None else _facts(event, kind, obj, body, keys)),
    )


def _facts(
    event: EventFacts,
    kind: str,
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
    if head.object_kind == "invoice_payment":
        return _invoice_payment(Fields(obj, _ROOT), head, context)
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
        return Translated(skipped="unhandled_type")
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


def _invoice_payment(obj: Fields, head: EventHead, context: StripeContext) -> Translated:
    """It names its invoice, not the customer; the invoice as it is now says all (design 4)."""
    invoice = obj.ref("invoice")
    if invoice is None:
        return Translated(skipped="no_invoice")
    return Translated(reads=(ReadWanted(context.key("invoice", invoice), head.type),))


def _thin(head: EventHead, context: StripeContext) -> Translated:
    """A thin event names its object and holds nothing of it (vendors 1.5)."""
    kind, vendor_id = head.object_kind, head.object_id
    if kind is None or kind not in _KINDS or vendor_id is None:
        return Translated(skipped="unhandled_type")
    return Translated(reads=(ReadWanted(context.key(kind, vendor_id), head.type),))


def _parent(kind: str, obj: Fields, context: StripeContext) -> ExternalKey | None:
    if kind not in _CUSTOMERS_OWN:
        return None
    customer = obj.ref("customer")
    if customer is None:
        raise obj.unusable("customer", "the customer's id")
    return context.key("customer", customer)


def _previous(
    kind: str,
    obj: Mapping[str, Any],
    previous: Mapping[str, Any],
    body: Body,
    keys: MetadataKeys,
) -> dict[str, Any] | None:
    """Former values in our words: translate the object as it was, and keep what differs.

    None when the former object can't be said in our words; it only helps to resolve ties.
    """
    try:
        former = _KINDS[kind].body(Fields(_overlaid(obj, previous), _ROOT), keys)
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
