"""From stored objects to what the rules of the domain take."""

from typing import Any

from plumbline_domain.customer import Customer
from plumbline_domain.facts import (
    CardFacts,
    GivenBack,
    card_facts,
    credited,
    invoice_facts,
    refunded,
    subscription_facts,
)
from plumbline_domain.scope import within
from plumbline_domain.sighting import Catalogue, Seen, SeenBeside, SeenPrice, SeenProduct
from plumbline_schemas.billing import (
    BillingCustomer,
    Charge,
    CreditNote,
    Invoice,
    PaymentMethod,
    Subscription,
)
from plumbline_schemas.catalogue import Price, Product
from plumbline_schemas.crm import CrmRecord
from plumbline_schemas.ids import ExternalKey
from plumbline_schemas.internal import ConnectionScope

from matcher.kept import BESIDE, KEPT_KINDS, Kept
from matcher.rows import ObjectRow
from matcher.snapshot import Snapshot
from matcher.stored import body_of, deletion_of, sighting_of


def seen_subscription(row: ObjectRow, scope: ConnectionScope) -> Seen[Subscription] | None:
    """A subscription as the rules take it: its items in scope; a deleted one is over."""
    body, sighting = body_of(row, Subscription), sighting_of(row)
    body = None if body is None else within(body, scope)
    if body is None or sighting is None:
        return None
    deletion = deletion_of(row)
    if deletion is not None and body.ended_at is None:
        body = body.model_copy(update={"status": "canceled", "ended_at": deletion.vendor_time})
    return Seen(row.key, body, sighting)


def seen_invoice(row: ObjectRow) -> Seen[Invoice] | None:
    """An invoice as the rules take it; a deleted draft is no invoice."""
    body, sighting = body_of(row, Invoice), sighting_of(row)
    if row.deleted or body is None or sighting is None:
        return None
    return Seen(row.key, body, sighting)


def seen_beside(row: ObjectRow) -> SeenBeside | None:
    """What a charge or credit note gave back, or when a card expires; None when nothing of it."""
    sighting = sighting_of(row)
    if row.deleted or sighting is None:
        return None
    facts: GivenBack | CardFacts | None = None
    if row.kind == "charge":
        charge = body_of(row, Charge)
        facts = None if charge is None else refunded(charge)
    elif row.kind == "credit_note":
        note = body_of(row, CreditNote)
        facts = None if note is None else credited(note)
    elif (method := body_of(row, PaymentMethod)) is not None:
        facts = card_facts(method)
    return None if facts is None else Seen(row.key, facts, sighting)


def keep(snapshot: Snapshot, row: ObjectRow) -> None:
    """Keep beside a changed object what its account needs of it."""
    if row.kind in KEPT_KINDS:
        scope = snapshot.workspace.scope(row.key.split("/", 2)[1])
        known = snapshot.book(row.parent_key).get(row.key)
        if known is not None:
            snapshot.replaced[row.key] = known
        snapshot.load_kept(kept_of(row, scope, known))
        snapshot.changed_kept[row.key] = row.parent_key


def kept_of(row: ObjectRow, scope: ConnectionScope, known: Kept | None = None) -> Kept:
    """What the account of an object needs of it; a share outlives what does not change it."""
    seen: Seen[Any] | None = None
    if row.kind == "subscription":
        if (subscription := seen_subscription(row, scope)) is not None:
            facts = subscription_facts(subscription.body)
            seen = Seen(row.key, facts, subscription.sighting)
    elif row.kind in BESIDE:
        seen = seen_beside(row)
    elif (invoice := seen_invoice(row)) is not None:
        seen = Seen(row.key, invoice_facts(invoice.body), invoice.sighting)
    standing = row.held.standing
    content = None if standing is None else standing.content_hash
    kept = Kept(row.key, row.kind, row.parent_key, content, seen, row.needs)
    if known is None or known.content_hash != content or seen is None or known.seen is None:
        return kept
    return kept._replace(priced=known.priced) if known.seen.body == seen.body else kept


def customer_body(snapshot: Snapshot, key: ExternalKey | None) -> BillingCustomer | None:
    row = None if key is None else snapshot.objects.get(key)
    return None if row is None else body_of(row, BillingCustomer)


def catalogue(snapshot: Snapshot, customers: list[Customer]) -> Catalogue:
    """The catalogue objects that these customers' subscriptions name."""
    wanted: set[ExternalKey] = set()
    for member in customers:
        book = snapshot.book(member.key)
        for seen in member.subscriptions:
            kept = book.get(seen.key)
            wanted |= frozenset() if kept is None else kept.needs
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
        elif row.kind == "price" and (price := body_of(row, Price)) is not None:
            prices[row.key] = SeenPrice(price.lookup_key, price.nickname, sighting)
    return Catalogue(products, prices)


def record_body(row: ObjectRow) -> CrmRecord | None:
    """A CRM record's content; None while it is deleted."""
    return None if row.deleted else body_of(row, CrmRecord)
