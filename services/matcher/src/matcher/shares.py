"""Shares of subscriptions in their account's MRR: kept, and worked out again when they may differ.

A share stands on its grounds: the configuration, the customer's discounts, and, only where it
depends on them, the exchange rates and the subscription's own invoices.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from functools import lru_cache
from hashlib import blake2b
from typing import Final

import orjson
from plumbline_domain.account import FOLD_VERSION
from plumbline_domain.book import PriceBook
from plumbline_domain.facts import Share
from plumbline_domain.policies import PLUMBLINE, Policy, policy_of
from plumbline_domain.reckoning import Beside
from plumbline_domain.shares import share_of
from plumbline_schemas.billing import BillingCustomer, Charge, CreditNote, Invoice, Subscription
from plumbline_schemas.ids import OWN, ExternalKey, external_key

from matcher.facts import customer_body, seen_invoice, seen_subscription
from matcher.kept import Kept, Priced
from matcher.lacking import OWN_MISSING, readable, unworded
from matcher.needs import DISCOUNT, catalogue_needs, coupon_needs, needs_invoices
from matcher.price_book import price_book
from matcher.rate_tables import rates_need
from matcher.rows import ObjectRow
from matcher.snapshot import Snapshot, Terms, kind_of
from matcher.stored import body_of

NO_SHARE: Final = Share(Fraction(0))
_MONEY: Final[dict[str, type[Invoice] | type[Charge] | type[CreditNote]]] = {
    "invoice": Invoice,
    "charge": Charge,
    "credit_note": CreditNote,
}
NO_POLICY: Final = Share(Fraction(0), ("config",))
"""The log's configuration names a policy that this version does not know."""


@lru_cache(maxsize=64)
def _policy(text: bytes) -> Policy | None:
    try:
        return policy_of(orjson.loads(text))
    except ValueError:
        return None


@lru_cache(maxsize=64)
def invoices_need(workspace: str) -> ExternalKey:
    """The mark of a subscription whose MRR depends on its own invoices."""
    return external_key(workspace, OWN, "invoices", "own")


@dataclass(frozen=True, slots=True)
class Ground:
    """What all shares of one customer are worked out from."""

    name: str
    """Equal for equal grounds."""
    terms: Terms
    book: PriceBook
    customer: BillingCustomer | None

    @property
    def sums(self) -> str:
        """Whether the sums of the customer's book may still stand."""
        return f"{self.name}|{self.terms.rates}"


def _terms(snapshot: Snapshot) -> Terms:
    """The same for as long as a snapshot lives."""
    if snapshot.terms is None:
        config = snapshot.workspace.config
        rates = ",".join(f"{key}@{at}" for key, at in sorted(snapshot.workspace.rates.items()))
        if config is None:
            snapshot.terms = Terms(f"{FOLD_VERSION}", rates, "", None)
        else:
            mrr = orjson.dumps(config.mrr, option=orjson.OPT_SORT_KEYS)
            currency = config.currency.lower()
            name = f"{FOLD_VERSION}:{currency}:{mrr.decode()}"
            snapshot.terms = Terms(name, rates, currency, _policy(mrr))
    return snapshot.terms


def fixed_rates(snapshot: Snapshot) -> bool:
    """Whether the policy converts at each subscription's own day: no rate ever moves its MRR."""
    policy = _terms(snapshot).policy
    return policy is not None and policy.rate_day == "start"


def ground_of(snapshot: Snapshot, customer: ExternalKey) -> Ground:
    """Everything beside the subscription, its catalogue and the instant that makes a share."""
    terms, body = _terms(snapshot), customer_body(snapshot, customer)
    book = price_book(snapshot, customer.split("/", 2)[1])
    name = terms.name
    if body is not None and (body.discounts or body.discount_objects):
        snapshot.look_up(needs_of_customer(snapshot, customer, body))
        text = "\n".join(_discounts(snapshot, customer, body, book))
        name += f":{blake2b(text.encode(), digest_size=8).hexdigest()}"
    return Ground(name, terms, book, body)


def _discounts(
    snapshot: Snapshot, customer: ExternalKey, body: BillingCustomer, book: PriceBook
) -> Iterator[str]:
    """A customer's discounts and their coupons as far as they are known, and who can tell more."""
    workspace, connection, _ = customer.split("/", 2)
    embedded = {one.discount_id: one for one in body.discount_objects}
    for discount_id in dict.fromkeys((*body.discounts, *embedded)):
        discount = book.discount(discount_id, embedded)
        yield discount_id if discount is None else discount.model_dump_json()
        coupon = None if discount is None else book.coupon(discount)
        if coupon is not None:
            yield coupon.model_dump_json()
        elif discount is not None and discount.coupon is not None:
            key = external_key(workspace, connection, "coupon", discount.coupon)
            yield "gone" if snapshot.gone(key) else ""


def needs_of_customer(
    snapshot: Snapshot, key: ExternalKey, body: BillingCustomer
) -> frozenset[ExternalKey]:
    """Catalogue objects that the shares of a customer depend on through its own discounts."""
    needs = catalogue_needs(key, body)
    return frozenset(needs | _told_coupons(snapshot, needs))


def needs_of(snapshot: Snapshot, row: ObjectRow) -> frozenset[ExternalKey]:
    """What folds this object's account again when it changes, beside the object."""
    if row.kind == "customer":
        customer = body_of(row, BillingCustomer)
        return frozenset() if customer is None else needs_of_customer(snapshot, row.key, customer)
    if row.kind in _MONEY:
        return _needs_of_money(snapshot, row)
    body = body_of(row, Subscription) if row.kind == "subscription" else None
    if body is None:
        return frozenset()
    needs = catalogue_needs(row.key, body)
    needs |= _told_coupons(snapshot, needs)
    terms, workspace = _terms(snapshot), snapshot.workspace.workspace
    if not terms.currency:
        return frozenset(needs)
    currency = body.currency or (body.items[0].price.currency if body.items else "")
    if currency.lower() != terms.currency:
        needs.add(rates_need(workspace))
    if terms.policy is not None and needs_invoices(body, terms.policy):
        needs.add(invoices_need(workspace))
    return frozenset(needs)


def _needs_of_money(snapshot: Snapshot, row: ObjectRow) -> frozenset[ExternalKey]:
    """The lifetime value of money in another currency depends on the exchange rates."""
    body, config = body_of(row, _MONEY[row.kind]), snapshot.workspace.config
    currency = None if body is None else body.currency
    if currency is None or (config is not None and currency == config.currency.lower()):
        return frozenset()
    return frozenset([rates_need(snapshot.workspace.workspace)])


def _told_coupons(snapshot: Snapshot, needs: Iterable[ExternalKey]) -> set[ExternalKey]:
    """Coupons of discounts that only others have embedded."""
    found: set[ExternalKey] = set()
    for need in needs:
        if kind_of(need) == DISCOUNT:
            workspace, connection, _, discount_id = need.split("/", 3)
            told = price_book(snapshot, connection).discounts.get(discount_id)
            if told is not None:
                found.update(coupon_needs(f"{workspace}/{connection}", told.coupon))
    return found


def stale_shares(
    snapshot: Snapshot, customers: Iterable[ExternalKey], newest: datetime
) -> set[ExternalKey]:
    """Subscriptions whose shares will be worked out again: they are needed whole."""
    at = max(newest, snapshot.workspace.now or newest)
    stale = set()
    for key in customers:
        book, ground = snapshot.book(key), ground_of(snapshot, key)
        book.stand_on(ground.sums)
        at = max(at, book.latest)
        for kept in book.doubtful(at):
            if kept.kind == "subscription" and kept.seen is not None:
                priced = kept.priced
                holds = priced is not None and priced.holds(_grounds(snapshot, ground, kept), at)
                if not holds or not snapshot.catalogue_moved.isdisjoint(kept.needs):
                    stale.add(kept.key)
    return stale


def _grounds(snapshot: Snapshot, ground: Ground, kept: Kept) -> str:
    """The grounds of one share: its customer's, and what else it depends on."""
    name, workspace = ground.name, snapshot.workspace.workspace
    if rates_need(workspace) in kept.needs:
        name += f"|{ground.terms.rates}"
    if invoices_need(workspace) in kept.needs:
        own = snapshot.book(kept.parent_key).invoices_of(kept)
        text = "\n".join(f"{one.key} {one.content_hash}" for one in own if one.seen is not None)
        name += f"|{blake2b(text.encode(), digest_size=8).hexdigest()}"
    return name


def share(snapshot: Snapshot, ground: Ground, kept: Kept, at: datetime) -> Share:
    """The share of a subscription, worked out again only if it may be another one."""
    priced = kept.priced
    if not ground.terms.currency:
        return NO_SHARE
    if (
        priced is not None
        and priced.holds(_grounds(snapshot, ground, kept), at)
        and snapshot.catalogue_moved.isdisjoint(kept.needs)
    ):
        return priced.share
    row = snapshot.objects.get(kept.key)
    scope = snapshot.workspace.scope(kept.key.split("/", 2)[1])
    seen = None if row is None else seen_subscription(row, scope)
    if row is None or seen is None:
        snapshot.unloaded.add(kept.key)
        return NO_SHARE
    kept = _renew_needs(snapshot, row, kept)
    beside = _beside(snapshot, ground, kept, at)
    if beside is None:
        return NO_SHARE
    found = NO_POLICY if ground.terms.policy is None else share_of(seen.id, seen.body, beside)
    priced = Priced(_grounds(snapshot, ground, kept), at, found)
    snapshot.book(kept.parent_key).update(kept._replace(priced=priced))
    snapshot.changed_kept[kept.key] = kept.parent_key
    if any(what.startswith(OWN_MISSING) for what in found.missing):
        snapshot.own_lacking.add(kept.key)
    if found.missing:
        snapshot.lacking |= readable(
            kept.key,
            seen.body,
            ground.customer,
            kept.parent_key,
            found.missing,
            gone=snapshot.gone,
        )
    elif "" in found.discounts:
        snapshot.lacking |= unworded(
            kept.key, seen.body, ground.customer, kept.parent_key, ground.book
        )
    return found


def _renew_needs(snapshot: Snapshot, row: ObjectRow, kept: Kept) -> Kept:
    """The configuration decides with what a subscription depends on."""
    needs = row.needs if row.key in snapshot.fresh_needs else needs_of(snapshot, row)
    snapshot.look_up(needs)
    if needs == kept.needs:
        return kept
    row.needs = needs
    snapshot.changed_objects.add(row.key)
    fresh = kept._replace(needs=needs)
    snapshot.book(kept.parent_key).update(fresh)
    return fresh


def _beside(snapshot: Snapshot, ground: Ground, kept: Kept, at: datetime) -> Beside | None:
    """What a share is reckoned from; None while some of it is not in memory."""
    invoices = _invoices(snapshot, kept)
    if invoices is None:
        return None
    return Beside(
        ground.terms.currency,
        at,
        policy=ground.terms.policy or PLUMBLINE,
        rates=snapshot.rates,
        book=ground.book,
        customer=ground.customer,
        invoices=invoices,
    )


def _invoices(snapshot: Snapshot, kept: Kept) -> list[tuple[str, Invoice]] | None:
    """The subscription's own invoices, if its MRR depends on them."""
    if invoices_need(snapshot.workspace.workspace) not in kept.needs:
        return []
    own = [one for one in snapshot.book(kept.parent_key).invoices_of(kept) if one.seen is not None]
    absent = {one.key for one in own} - snapshot.objects.keys()
    if absent:
        snapshot.unloaded |= absent
        return None
    seen = [seen_invoice(snapshot.objects[one.key]) for one in own]
    return [(one.id, one.body) for one in seen if one is not None]
