"""The name of the plan (billing.md, plan and its fine print)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from plumbline_schemas.billing import Subscription
from plumbline_schemas.catalogue import Price
from plumbline_schemas.ids import ExternalKey, external_key

from plumbline_domain.facts import PriceNames, item_age
from plumbline_domain.sighting import Catalogue, SeenSubscription, Sighting
from plumbline_domain.subscriptions import ended_last, live, start_of, started


@dataclass(frozen=True, slots=True)
class Plan:
    """The label; `missing` names the product it would need, then `value` is not to be used."""

    value: str | None
    rule: str
    by: Sighting | None = None
    missing: ExternalKey | None = None


def catalogue_keys(key: ExternalKey, body: Subscription) -> set[ExternalKey]:
    """External keys of the products and prices whose change may change this subscription."""
    workspace, connection, _ = key.split("/", 2)
    keys = set()
    for item in body.items:
        keys.add(external_key(workspace, connection, "price", item.price.price_id))
        if item.price.product:
            keys.add(external_key(workspace, connection, "product", item.price.product))
    return keys


def plan(subscriptions: Sequence[SeenSubscription], catalogue: Catalogue, *, at: datetime) -> Plan:
    """The plan at the instant `at`.

    Taken from the live subscription that started first, or if none is live from the one that
    ended last; its first item is the one created first, not the first in the list.
    """
    known = [seen for seen in subscriptions if started(seen.body, at)]
    living = [seen for seen in known if live(seen.body, at)]
    if not known:
        return Plan(None, "plan.no_subscription")
    chosen = min(living, key=start_of) if living else ended_last(known)
    if not chosen.body.items:
        return Plan(None, "plan.no_item", chosen.sighting)
    first = min(chosen.body.items, key=item_age)
    return _label(chosen, first.price, catalogue)


def _label(seen: SeenSubscription, price: Price | PriceNames, catalogue: Catalogue) -> Plan:
    workspace, connection, _ = seen.key.split("/", 2)
    lookup_key, nickname, by = price.lookup_key, price.nickname, seen.sighting
    listed = catalogue.prices.get(external_key(workspace, connection, "price", price.price_id))
    # Of the same second the price's own: a copy can't be newer than what it was copied from.
    if listed is not None and listed.sighting.vendor_time >= seen.sighting.vendor_time:
        lookup_key, nickname, by = listed.lookup_key, listed.nickname, listed.sighting
    if lookup_key:
        return Plan(lookup_key, "plan.lookup_key", by)
    named = _product_name(seen, price, catalogue)
    if named.value is not None or named.missing is not None:
        return named
    if nickname:
        return Plan(nickname, "plan.nickname", by)
    return Plan(price.price_id, "plan.price_id", seen.sighting)


def _product_name(seen: SeenSubscription, price: Price | PriceNames, catalogue: Catalogue) -> Plan:
    """The newer of the name inside the subscription and the catalogue's."""
    rule = "plan.product_name"
    if not price.product:
        return Plan(price.product_name, rule, seen.sighting)
    workspace, connection, _ = seen.key.split("/", 2)
    key = external_key(workspace, connection, "product", price.product)
    product = catalogue.products.get(key)
    if product is None:
        missing = None if price.product_name else key
        return Plan(price.product_name, rule, seen.sighting, missing)
    embedded_is_newer = seen.sighting.vendor_time > product.sighting.vendor_time
    if price.product_name and embedded_is_newer:
        return Plan(price.product_name, rule, seen.sighting)
    return Plan(product.name or None, rule, product.sighting)
