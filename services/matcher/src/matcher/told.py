"""What observations tell beside their own object, kept so that a later one does not take it away.

A read of a subscription may embed its discounts whole, the next event only names them; a read of a
price lists its tiers, one of a customer its tax ids, an event does not. All are kept as objects of
their own kinds, by the same rules of order as all objects: what was told last stands, whatever the
order of arrival.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from plumbline_domain.order import Glance, Held, Sight, fold, rules_for
from plumbline_schemas.billing import BillingCustomer, Subscription
from plumbline_schemas.catalogue import Body, Coupon, Discount, Price
from plumbline_schemas.ids import ExternalKey
from plumbline_schemas.observations import AnyObservation

from matcher.needs import COUPON_TOLD, DISCOUNT, PRICE_TOLD, tax_ids_key
from matcher.rows import ObjectRow
from matcher.snapshot import Snapshot, kind_of
from matcher.stored import hash_of


class Part(NamedTuple):
    """Something told of another object."""

    key: ExternalKey
    glance: Glance


def parts_of(observation: AnyObservation) -> list[Part]:
    """Discounts with their coupon; coupons with their products; prices with tiers or options."""
    body = observation.body
    place = f"{observation.workspace}/{observation.connection}"
    if isinstance(body, Price):
        if body.tiers is None and body.currency_options is None:
            return []
        return [_part(observation, f"{place}/{PRICE_TOLD}/{observation.id}", body)]
    if isinstance(body, Coupon):
        return list(_coupon(observation, place, body))
    if not isinstance(body, Subscription | BillingCustomer):
        return []
    parts: dict[ExternalKey, Part] = {}
    for discount in _discounts(body):
        for part in _discount(observation, place, discount):
            parts.setdefault(part.key, part)
    if isinstance(body, BillingCustomer) and body.tax_ids is not None:
        key = tax_ids_key(observation.key)
        parts[key] = _told(observation, key, {"tax_ids": list(body.tax_ids)})
    return list(parts.values())


def _discounts(body: Subscription | BillingCustomer) -> Iterator[Discount]:
    yield from body.discount_objects
    if isinstance(body, Subscription):
        for item in body.items:
            yield from item.discount_objects


def _discount(observation: AnyObservation, place: str, discount: Discount) -> Iterator[Part]:
    if discount.coupon is not None:
        yield _part(observation, f"{place}/{DISCOUNT}/{discount.discount_id}", discount)
    if discount.coupon_object is not None:
        yield from _coupon(observation, place, discount.coupon_object)


def _coupon(observation: AnyObservation, place: str, coupon: Coupon) -> Iterator[Part]:
    if coupon.applies_to is not None:
        yield _part(observation, f"{place}/{COUPON_TOLD}/{coupon.coupon_id}", coupon)


def _part(observation: AnyObservation, key: str, body: Body) -> Part:
    return _told(observation, ExternalKey(key), body.model_dump(mode="json", exclude_none=True))


def _told(observation: AnyObservation, key: ExternalKey, content: dict[str, Any]) -> Part:
    sight = Sight(
        received_at=observation.received_at,
        origin=observation.origin,
        seen=observation.seen,
        event_id=observation.event_id,
        event_type=observation.event_type,
    )
    glance = Glance(observation.vendor_time_ms, sight, content, hash_of(content))
    return Part(key, glance)


def tax_ids_in(row: ObjectRow | None) -> tuple[str, ...]:
    """The numbers that are held of a customer's tax ids."""
    standing = None if row is None else row.held.standing
    return () if standing is None else tuple(standing.content["tax_ids"])


def _nothing_new(held: Held | None, part: Part) -> bool:
    """No tax ids, of a customer that had none: nearly all are like that, and take no row."""
    content = part.glance.content or {}
    return held is None and content.get("tax_ids") == []


def is_news(held: dict[ExternalKey, Held], parts: Iterable[Part]) -> bool:
    """Whether any of the parts changes what is held, which is updated."""
    news = False
    for part in parts:
        if _nothing_new(held.get(part.key), part):
            continue
        folded = fold(held.get(part.key), part.glance, rules_for(kind_of(part.key)))
        if folded.changed:
            held[part.key] = folded.held
            news = True
    return news


def take_parts(snapshot: Snapshot, parts: Iterable[Part]) -> bool:
    """Keep what was told; True when it says something else now."""
    other = False
    for part in parts:
        row, kind = snapshot.objects.get(part.key), kind_of(part.key)
        if _nothing_new(None if row is None else row.held, part):
            continue
        folded = fold(None if row is None else row.held, part.glance, rules_for(kind))
        if not folded.changed:
            continue
        before = None if row is None else _said(row)
        if row is None:
            row = ObjectRow(part.key, kind, None, folded.held)
        row.held = folded.held
        snapshot.load_object(row)
        snapshot.changed_objects.add(row.key)
        other = other or before != _said(row)
    return other


def _said(row: ObjectRow) -> str | None:
    standing = row.held.standing
    return None if standing is None else standing.content_hash
