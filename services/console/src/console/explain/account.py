"""One account put together from its objects, in the words of the rules."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, TypeVar

from plumbline_domain.book import PriceBook
from plumbline_domain.sighting import (
    Catalogue,
    Seen,
    SeenPrice,
    SeenProduct,
    Sighting,
)
from plumbline_domain.subscriptions import ended_by
from plumbline_schemas.billing import BillingCustomer, Invoice, Subscription
from plumbline_schemas.catalogue import Body
from plumbline_schemas.ids import ExternalKey, external_key

from console.explain.catalogue import price_book
from console.explain.files import Document
from console.explain.holders import Holder, customers, invoices, subscriptions
from console.explain.objects import Objects, objects_of
from console.explain.trouble import BadInput

BodyT = TypeVar("BodyT", bound=Body)

_HERE: Final = "input"
"""Workspace and connection of what files hold: they say neither."""
_NO_CUSTOMER: Final = "unnamed"
_ABOUT_A_CUSTOMER: Final = frozenset({"subscription_schedule", "checkout.session"})


@dataclass(frozen=True, slots=True)
class Member:
    """A billing customer with what hangs on it; `body` None when nothing told of itself."""

    key: ExternalKey
    body: BillingCustomer | None
    deletion: Sighting | None
    subscriptions: tuple[Seen[Subscription], ...]
    invoices: tuple[Seen[Invoice], ...]


@dataclass(frozen=True, slots=True)
class Account:
    """What the rules are asked about; deleted customers are settled."""

    members: tuple[Member, ...]
    book: PriceBook
    ignored: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def subscriptions(self) -> list[Seen[Subscription]]:
        """Those of all its customers."""
        return [seen for member in self.members for seen in member.subscriptions]


def account_of(documents: Sequence[Document], at: datetime) -> Account:
    """Put an account together as of `at`; raises BadInput."""
    objects = objects_of(documents)
    book = price_book(objects.found)
    people = customers(objects.found)
    subs = subscriptions(objects.found, objects.pages)
    bills = invoices(objects.found)
    if not (people or subs or bills) and not _names_a_customer(objects):
        places = ", ".join(document.file for document in documents)
        raise BadInput("nothing_to_explain", places, "no customer, subscription or invoice")
    return Account(_members(people, subs, bills, at), book, objects.ignored, objects.notes)


def _names_a_customer(objects: Objects) -> bool:
    return any(kind in _ABOUT_A_CUSTOMER for kind in objects.ignored)


def _members(
    people: Sequence[Holder[BillingCustomer]],
    subs: Sequence[Holder[Subscription]],
    bills: Sequence[Holder[Invoice]],
    at: datetime,
) -> tuple[Member, ...]:
    """Customers by id, each with what is its own.

    What names no customer is the only customer's, if there is just one.
    """
    named = [holder.customer for holder in people]
    named += [holder.customer for holder in subs]
    named += [holder.customer for holder in bills]
    known = {customer for customer in named if customer}
    alone = known.pop() if len(known) == 1 else _NO_CUSTOMER
    owners = sorted({customer or alone for customer in named})
    told = {holder.id: holder for holder in people}
    return tuple(
        _member(
            owner,
            told.get(owner),
            [holder for holder in subs if (holder.customer or alone) == owner],
            [holder for holder in bills if (holder.customer or alone) == owner],
            at,
        )
        for owner in owners
    )


def _member(
    owner: str,
    person: Holder[BillingCustomer] | None,
    subs: Sequence[Holder[Subscription]],
    bills: Sequence[Holder[Invoice]],
    at: datetime,
) -> Member:
    """A deleted customer's subscriptions are over and its invoices are owed no more (design 9)."""
    sighting = _sighting(owner, at)
    deletion = sighting if person is not None and person.body is None else None
    held = tuple(seen for seen in (_seen("subscription", holder, at) for holder in subs))
    if deletion is not None:
        held = tuple(_over(deletion, seen) for seen in held)
    owed = () if deletion else tuple(_seen("invoice", holder, at) for holder in bills)
    return Member(
        key=_key("customer", owner),
        body=None if person is None else person.body,
        deletion=deletion,
        subscriptions=held,
        invoices=owed,
    )


def _over(deletion: Sighting, seen: Seen[Subscription]) -> Seen[Subscription]:
    body = ended_by(deletion, seen).body
    assert isinstance(body, Subscription), "a whole subscription ends as one"
    return replace(seen, body=body)


def _seen(kind: str, holder: Holder[BodyT], at: datetime) -> Seen[BodyT]:
    assert holder.body is not None, "only customers are known without a body"
    return Seen(_key(kind, holder.id), holder.body, _sighting(holder.id, at))


def _sighting(vendor_id: str, at: datetime) -> Sighting:
    return Sighting(_HERE, vendor_id, vendor_time=at, received_at=at, origin="file")


def _key(kind: str, vendor_id: str) -> ExternalKey:
    return external_key(_HERE, _HERE, kind, vendor_id)


def catalogue_of(account: Account) -> Catalogue:
    """The names that a plan may take, newer than what subscriptions embed of them.

    Of a product that is nowhere told the name is taken as none: nobody can be asked for it here.
    """
    sighting = _sighting(_HERE, datetime.max.replace(tzinfo=UTC))
    prices = dict(account.book.prices)
    named: dict[str, str | None] = {
        item.price.product: item.price.product_name
        for seen in account.subscriptions
        for item in seen.body.items
        if item.price.product
    }
    named.update({i: product.name for i, product in account.book.products.items()})
    return Catalogue(
        products={
            _key("product", identity): SeenProduct(name, sighting)
            for identity, name in named.items()
        },
        prices={
            _key("price", identity): SeenPrice(price.lookup_key, price.nickname, sighting)
            for identity, price in prices.items()
        },
    )
