"""From stored objects to what the rules of the domain take."""

from typing import TypeVar

from plumbline_domain.plan import catalogue_keys
from plumbline_domain.sighting import (
    Catalogue,
    Customer,
    Seen,
    SeenInvoice,
    SeenPrice,
    SeenProduct,
    SeenSubscription,
)
from plumbline_schemas.billing import BillingCustomer, Invoice, Subscription
from plumbline_schemas.catalogue import Body, Price, Product
from plumbline_schemas.crm import CrmRecord
from plumbline_schemas.ids import ExternalKey

from matcher.rows import ObjectRow
from matcher.snapshot import Snapshot
from matcher.stored import deletion_of, sighting_of

BodyT = TypeVar("BodyT", bound=Body)


def body_of(row: ObjectRow, model: type[BodyT]) -> BodyT | None:
    """The standing content, typed; None when only a deletion was seen."""
    standing = row.held.standing
    if standing is None:
        return None
    if row.typed is not None and row.typed[0] == standing.content_hash:
        known = row.typed[1]
        if isinstance(known, model):
            return known
    body = model.model_validate(standing.content)
    row.typed = (standing.content_hash, body)
    return body


def seen_subscription(row: ObjectRow) -> SeenSubscription | None:
    """A subscription as the rules take it; a deleted one is over."""
    body, sighting = body_of(row, Subscription), sighting_of(row)
    if body is None or sighting is None:
        return None
    deletion = deletion_of(row)
    if deletion is not None and body.ended_at is None:
        body = body.model_copy(update={"status": "canceled", "ended_at": deletion.vendor_time})
    return Seen(row.key, body, sighting)


def seen_invoice(row: ObjectRow) -> SeenInvoice | None:
    """An invoice as the rules take it; a deleted draft is no invoice."""
    body, sighting = body_of(row, Invoice), sighting_of(row)
    if row.deleted or body is None or sighting is None:
        return None
    return Seen(row.key, body, sighting)


def needs_of(row: ObjectRow) -> frozenset[ExternalKey]:
    """Catalogue objects whose change folds this object's account again."""
    if row.kind != "subscription":
        return frozenset()
    seen = seen_subscription(row)
    return frozenset() if seen is None else frozenset(catalogue_keys(seen))


def customer(snapshot: Snapshot, key: ExternalKey) -> Customer:
    """A billing customer with its subscriptions and invoices."""
    row = snapshot.objects.get(key)
    children = snapshot.children(key)
    subscriptions = [seen_subscription(c) for c in children if c.kind == "subscription"]
    invoices = [seen_invoice(c) for c in children if c.kind == "invoice"]
    return Customer(
        key=key,
        body=None if row is None else body_of(row, BillingCustomer),
        sighting=None if row is None else sighting_of(row),
        deletion=None if row is None else deletion_of(row),
        test_mode=snapshot.workspace.test_mode(key.split("/", 2)[1]),
        subscriptions=tuple(seen for seen in subscriptions if seen is not None),
        invoices=tuple(seen for seen in invoices if seen is not None),
    )


def catalogue(snapshot: Snapshot, customers: list[Customer]) -> Catalogue:
    """The catalogue objects that these customers' subscriptions name."""
    wanted = {
        key
        for member in customers
        for seen in member.subscriptions
        for key in snapshot.objects[seen.key].needs
    }
    rows = [snapshot.objects[key] for key in sorted(wanted) if key in snapshot.objects]
    products, prices = {}, {}
    for row in rows:
        sighting = sighting_of(row) or deletion_of(row)
        if sighting is None:
            continue
        if row.kind == "product":
            product = body_of(row, Product)
            name = None if product is None else product.name
            products[row.key] = SeenProduct(name, sighting)
        elif (price := body_of(row, Price)) is not None:
            prices[row.key] = SeenPrice(price.lookup_key, price.nickname, sighting)
    return Catalogue(products, prices)


def record_body(row: ObjectRow) -> CrmRecord | None:
    """A CRM record's content; None while it is deleted."""
    return None if row.deleted else body_of(row, CrmRecord)
