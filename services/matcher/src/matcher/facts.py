"""From stored objects to what the rules of the domain take."""

from collections.abc import Iterable
from datetime import datetime
from fractions import Fraction
from functools import partial
from hashlib import blake2b
from typing import Any, Final, TypeVar

from plumbline_domain.account import FOLD_VERSION, present
from plumbline_domain.customer import Customer
from plumbline_domain.facts import (
    CardFacts,
    GivenBack,
    Share,
    card_facts,
    credited,
    invoice_facts,
    refunded,
    subscription_facts,
)
from plumbline_domain.plan import catalogue_keys
from plumbline_domain.reckoning import Beside
from plumbline_domain.shares import share_of
from plumbline_domain.sighting import Catalogue, Seen, SeenBeside, SeenPrice, SeenProduct
from plumbline_schemas.billing import (
    BillingCustomer,
    Charge,
    CreditNote,
    Invoice,
    PaymentMethod,
    Subscription,
)
from plumbline_schemas.catalogue import Body, Price, Product
from plumbline_schemas.crm import CrmRecord
from plumbline_schemas.ids import ExternalKey

from matcher.kept import BESIDE, KEPT_KINDS, Kept, Priced
from matcher.rows import ObjectRow
from matcher.snapshot import Snapshot
from matcher.stored import deletion_of, sighting_of

BodyT = TypeVar("BodyT", bound=Body)

NO_SHARE: Final = Share(Fraction(0))


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


def seen_subscription(row: ObjectRow) -> Seen[Subscription] | None:
    """A subscription as the rules take it; a deleted one is over."""
    body, sighting = body_of(row, Subscription), sighting_of(row)
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


def needs_of(row: ObjectRow) -> frozenset[ExternalKey]:
    """Catalogue objects whose change folds this object's account again."""
    if row.kind != "subscription":
        return frozenset()
    body = body_of(row, Subscription)
    return frozenset() if body is None else frozenset(catalogue_keys(row.key, body))


def keep(snapshot: Snapshot, row: ObjectRow) -> None:
    """Keep beside a changed object what its account needs of it."""
    if row.kind in KEPT_KINDS:
        snapshot.load_kept(kept_of(row, snapshot.book(row.parent_key).get(row.key)))
        snapshot.changed_kept[row.key] = row.parent_key


def kept_of(row: ObjectRow, known: Kept | None = None) -> Kept:
    """What the account of an object needs of it; a share outlives what does not change it."""
    seen: Seen[Any] | None = None
    if row.kind == "subscription":
        if (subscription := seen_subscription(row)) is not None:
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


def members_of(
    snapshot: Snapshot, customers: list[ExternalKey], at: datetime
) -> tuple[list[Customer], datetime]:
    """An account's customers, summed up, and the instant for which they are."""
    rows = {key: snapshot.objects.get(key) for key in customers}
    books = {key: snapshot.book(key) for key in customers}
    latest = [book.latest for book in books.values()]
    for row in rows.values():
        seen = () if row is None else (sighting_of(row), deletion_of(row))
        latest += [sighting.vendor_time for sighting in seen if sighting is not None]
    at = present(at, latest)
    return [_customer(snapshot, key, rows[key], at) for key in customers], at


def _customer(
    snapshot: Snapshot, key: ExternalKey, row: ObjectRow | None, at: datetime
) -> Customer:
    book, grounds = snapshot.book(key), grounds_of(snapshot, key)
    book.stand_on(grounds)
    return Customer(
        key=key,
        body=_customer_body(snapshot, key),
        sighting=None if row is None else sighting_of(row),
        deletion=None if row is None else deletion_of(row),
        test_mode=snapshot.workspace.test_mode(key.split("/", 2)[1]),
        holdings=book.holdings(partial(_share, snapshot, grounds), at),
    )


def grounds_of(snapshot: Snapshot, customer: ExternalKey) -> str:
    """Everything beside the subscription, the catalogue and the instant that makes a share."""
    config, body = snapshot.workspace.config, _customer_body(snapshot, customer)
    currency = "" if config is None else config.currency
    grounds = f"{FOLD_VERSION}:{currency}"
    if body is None or not (body.discounts or body.discount_objects):
        return grounds
    objects = (one.model_dump_json() for one in body.discount_objects)
    text = "\n".join((*body.discounts, *objects))
    return f"{grounds}:{blake2b(text.encode(), digest_size=8).hexdigest()}"


def _customer_body(snapshot: Snapshot, key: ExternalKey | None) -> BillingCustomer | None:
    row = None if key is None else snapshot.objects.get(key)
    return None if row is None else body_of(row, BillingCustomer)


def stale_shares(
    snapshot: Snapshot, customers: Iterable[ExternalKey], newest: datetime
) -> set[ExternalKey]:
    """Subscriptions whose shares will be worked out again: they are needed whole."""
    at = max(newest, snapshot.workspace.now or newest)
    stale = set()
    for key in customers:
        book, grounds = snapshot.book(key), grounds_of(snapshot, key)
        book.stand_on(grounds)
        at = max(at, book.latest)
        for kept in book.doubtful(at):
            if kept.kind == "subscription" and kept.seen is not None:
                priced = kept.priced
                holds = priced is not None and priced.holds(grounds, at)
                if not holds or not snapshot.catalogue_moved.isdisjoint(kept.needs):
                    stale.add(kept.key)
    return stale


def _share(snapshot: Snapshot, grounds: str, kept: Kept, at: datetime) -> Share:
    """The share of a subscription, worked out again only if it may be another one."""
    config, priced = snapshot.workspace.config, kept.priced
    if config is None:
        return NO_SHARE
    moved = snapshot.catalogue_moved
    if priced is not None and priced.holds(grounds, at) and moved.isdisjoint(kept.needs):
        return priced.share
    row = snapshot.objects.get(kept.key)
    seen = None if row is None else seen_subscription(row)
    if seen is None:
        snapshot.unloaded.add(kept.key)
        return NO_SHARE
    beside = Beside(config.currency.lower(), at, customer=_customer_body(snapshot, kept.parent_key))
    share = share_of(seen.id, seen.body, beside)
    fresh = kept._replace(priced=Priced(grounds, at, share))
    snapshot.book(kept.parent_key).update(fresh)
    snapshot.changed_kept[kept.key] = kept.parent_key
    return share


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
        elif (price := body_of(row, Price)) is not None:
            prices[row.key] = SeenPrice(price.lookup_key, price.nickname, sighting)
    return Catalogue(products, prices)


def record_body(row: ObjectRow) -> CrmRecord | None:
    """A CRM record's content; None while it is deleted."""
    return None if row.deleted else body_of(row, CrmRecord)
