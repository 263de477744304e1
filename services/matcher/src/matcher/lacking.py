"""Which reads could tell what a share lacks; a question is asked once (design 5, reads).

`asked` keeps for each object the content it held when it was asked for, or was answered with. Until
it holds another one, nobody asks for it again: not the other accounts that lack it too, and not
after an answer that did not help.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import asyncpg
from plumbline_domain.book import PriceBook
from plumbline_domain.customer import Customer
from plumbline_domain.tenure import charged_by_default
from plumbline_schemas.billing import BillingCustomer, Subscription, SubscriptionItem
from plumbline_schemas.ids import ExternalKey, external_key

from matcher.cause import RecordCause
from matcher.reads import want_read
from matcher.snapshot import Question, Snapshot

OWN_MISSING: Final = ("items:", "tax:")
"""Missing of the subscription itself; its discounts are kept apart from it (`told`)."""
_OF_PRICE: Final = frozenset({"tiers", "amount", "currency_option"})


def readable(
    key: ExternalKey,
    body: Subscription,
    customer: BillingCustomer | None,
    parent: ExternalKey | None,
    missing: tuple[str, ...],
    *,
    gone: Callable[[ExternalKey], bool],
) -> set[ExternalKey]:
    """Objects that know what the share of a subscription lacks.

    A coupon that is `gone` has no address any more; who has it keeps it, and a read of theirs says
    what it is for.
    """
    found: set[ExternalKey] = set()
    workspace, connection, _ = key.split("/", 2)
    place = f"{workspace}/{connection}"
    for what in missing:
        name, _, subject = what.partition(":")
        if name in _OF_PRICE:
            price = subject.rsplit(":", 1)[0] if name == "currency_option" else subject
            found.add(ExternalKey(f"{place}/price/{price}"))
        elif name == "coupon":
            coupon = ExternalKey(f"{place}/coupon/{subject}")
            found.update(_with_coupon(key, customer, parent, subject) if gone(coupon) else {coupon})
        elif name == "items":
            found.add(key)
        elif name == "discount":
            held = _held(customer)
            found.add(parent if parent is not None and subject in held else key)
        elif name == "tax":
            found.update(_of_tax(key, place, body, subject))
    return found


def unworded(
    key: ExternalKey,
    body: Subscription,
    customer: BillingCustomer | None,
    parent: ExternalKey | None,
    book: PriceBook,
) -> set[ExternalKey]:
    """Objects that tell what the discounts of a subscription are, where its MRR does not need them.

    One that counts zero is complete without them; the account's `discount` is not.
    """
    holders: list[tuple[ExternalKey, Subscription | SubscriptionItem | BillingCustomer]]
    holders = [(key, body), *((key, item) for item in body.items)]
    if not body.discounts and customer is not None and parent is not None:
        holders.append((parent, customer))
    workspace, connection, _ = key.split("/", 2)
    found: set[ExternalKey] = set()
    for holder_key, holder in holders:
        embedded = {one.discount_id: one for one in holder.discount_objects}
        for discount_id in holder.discounts:
            discount = book.discount(discount_id, embedded)
            if discount is None:
                found.add(holder_key)
            elif discount.coupon is not None and book.terms(discount) is None:
                found.add(external_key(workspace, connection, "coupon", discount.coupon))
    return found


def _with_coupon(
    key: ExternalKey, customer: BillingCustomer | None, parent: ExternalKey | None, coupon: str
) -> set[ExternalKey]:
    """The subscription, and its customer where that one has the coupon."""
    objects = () if customer is None else customer.discount_objects
    if parent is not None and any(one.coupon == coupon for one in objects):
        return {key, parent}
    return {key}


def _held(customer: BillingCustomer | None) -> set[str]:
    if customer is None:
        return set()
    return {*customer.discounts, *(one.discount_id for one in customer.discount_objects)}


def _of_tax(
    key: ExternalKey, place: str, body: Subscription, item_id: str
) -> Iterator[ExternalKey]:
    """Rates that are only named; else what the subscription was last billed, or it itself."""
    [item] = [item for item in body.items if item.item_id == item_id][:1]
    rates = item.tax_rates or body.default_tax_rates
    named = [rate.tax_rate_id for rate in rates if rate.percentage is None]
    if named:
        yield from (ExternalKey(f"{place}/tax_rate/{rate}") for rate in named)
    elif not rates and (item.tax_rates_inclusive or body.tax_rates_inclusive):
        yield key
    elif body.latest_invoice:
        yield ExternalKey(f"{place}/invoice/{body.latest_invoice}")


def unseen_cards(snapshot: Snapshot, members: Iterable[Customer]) -> set[ExternalKey]:
    """Methods that are charged by default and were never seen: their expiry is not known.

    While the book is read for the first time they come with the walk.
    """
    if not snapshot.workspace.whole_book:
        return set()
    found = set()
    for member in members:
        if member.deletion is not None or not member.holdings.tally.methods:
            continue
        workspace, connection, _ = member.key.split("/", 2)
        for name in charged_by_default(member):
            key = external_key(workspace, connection, "payment_method", name)
            if snapshot.book(member.key).get(key) is None:
                found.add(key)
    return found


def wonder(snapshot: Snapshot, key: ExternalKey, cause: RecordCause) -> None:
    """Ask for a read of an object, unless that was done for what it holds now."""
    snapshot.questions.append(Question(key, _content(snapshot, key), cause))


def answered(snapshot: Snapshot, key: ExternalKey) -> None:
    """An object was read: what it holds now is all that a read can tell."""
    snapshot.questions.append(Question(key, _content(snapshot, key), None))


def _content(snapshot: Snapshot, key: ExternalKey) -> str:
    row = snapshot.objects.get(key)
    if row is not None:
        standing = row.held.standing
        return "" if standing is None else standing.content_hash
    kept = next((one for book in snapshot.books.values() if (one := book.get(key))), None)
    return (kept.content_hash or "") if kept is not None else ""


async def settle(conn: asyncpg.Connection, snapshot: Snapshot) -> None:
    """Put the reads in line that nobody has asked for yet."""
    if not snapshot.questions:
        return
    name = snapshot.workspace.workspace
    rows: list[Any] = await conn.fetch(
        """select key, basis from matcher.asked
           where workspace = $1 and key = any($2::text[])""",
        name,
        sorted({one.key for one in snapshot.questions}),
    )
    known = {ExternalKey(row["key"]): str(row["basis"]) for row in rows}
    for one in snapshot.questions:
        before = known.get(one.key)
        if before == one.basis or (before is None and one.cause is None):
            continue
        known[one.key] = snapshot.asked[one.key] = one.basis
        if one.cause is not None:
            later = one.key in snapshot.own_lacking
            want_read(snapshot, one.key, "missing", one.cause, later=later)
