"""What a read asked for, put in place where Stripe left it out or sent a first page of it."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from plumbline_connectors.http import Params
from plumbline_connectors.stripe.reading import Fields

ReadItem = Callable[[str, Params], Awaitable[dict[str, Any] | None]]
"""Reads one subscription item; None when it is gone."""

ListPage = Callable[[str, Params], Awaitable[tuple[list[dict[str, Any]], bool]]]
"""Reads one page: rows, and whether more follow."""

_PAYMENTS: Final = "/v1/invoice_payments"
_ITEMS: Final = "/v1/subscription_items"
_MAX_PAGE: Final = 100
_ITEM_COUPON: Final = ("expand[]", "discounts.source.coupon.applies_to")
"""Of a subscription it would lie five levels deep, of its item it lies four."""


async def complete(kind: str, obj: dict[str, Any], page: ListPage) -> None:
    """Put the rest of what `obj` embeds in place; raises the errors of `page`."""
    for coupon in _coupons(kind, obj):
        # Asked for and still not there: it is for every product (vendors 1.11).
        coupon.setdefault("applies_to", None)
    if kind == "subscription":
        of = [("subscription", str(obj.get("id"))), ("expand[]", "data.discounts")]
        await _complete(obj, "items", _ITEMS, of, page)


async def complete_charge(charge: dict[str, Any], page: ListPage) -> None:
    """Say whose invoice a charge paid, which since basil only the invoice's payments do.

    A charge of which nothing was refunded is left as it is: nobody needs to know.
    """
    if not charge.get("amount_refunded") or "invoice" in charge:
        return
    intent, name = charge.get("payment_intent"), "payment_intent"
    if isinstance(intent, dict):
        intent = intent.get("id")
    if not isinstance(intent, str):
        intent, name = charge.get("id"), "charge"
    asked = [("payment[type]", name), (f"payment[{name}]", str(intent))]
    rows, more = await page(_PAYMENTS, [*asked, ("limit", str(_MAX_PAGE))])
    for row in rows:
        payment = Fields(row, "invoice_payment").beneath("payment")
        if payment.ref(name) == intent:
            charge["invoice"] = row.get("invoice")
            return
    if not more:
        charge["invoice"] = None


async def complete_item_coupons(subscription: dict[str, Any], read: ReadItem) -> None:
    """Put the coupons of items' discounts in place, each of them read once.

    A coupon that was deleted is in no list and has no address any more, but who has it keeps it.
    """
    known: dict[str, dict[str, Any]] = {}
    items = subscription.get("items")
    rows = items.get("data") if isinstance(items, dict) else None
    for item in rows if isinstance(rows, list) else []:
        sources = _sources(item)
        if not all(source["coupon"] in known for source in sources):
            whole = await read(str(item.get("id")), [_ITEM_COUPON])
            known |= {str(one["id"]): one for one in _coupons("subscription", whole or {})}
        for source in sources:
            coupon = known.get(source["coupon"])
            if coupon is not None:
                coupon.setdefault("applies_to", None)
                source["coupon"] = coupon


def _sources(item: Any) -> list[dict[str, Any]]:
    """Of an item's discounts, those that only name their coupon."""
    several = item.get("discounts") if isinstance(item, dict) else None
    held = several if isinstance(several, list) else []
    found = [one.get("source") for one in held if isinstance(one, dict)]
    return [one for one in found if isinstance(one, dict) and isinstance(one.get("coupon"), str)]


async def complete_lines(invoice: dict[str, Any], page: ListPage) -> None:
    """Put every line of an invoice in place."""
    await _complete(invoice, "lines", f"/v1/invoices/{invoice.get('id')}/lines", [], page)


async def _complete(
    obj: dict[str, Any], name: str, path: str, of: list[tuple[str, str]], page: ListPage
) -> None:
    """Read the list anew when the embedded page is not all of it."""
    embedded = obj.get(name)
    if not isinstance(embedded, dict) or embedded.get("has_more") is not True:
        return
    found: list[dict[str, Any]] = []
    more = True
    while more:
        params = [*of, ("limit", str(_MAX_PAGE))]
        if found:
            params.append(("starting_after", str(found[-1]["id"])))
        rows, more = await page(path, params)
        found.extend(rows)
        more = more and bool(rows)
    embedded["data"] = found
    embedded["has_more"] = False


def _coupons(kind: str, obj: dict[str, Any]) -> list[dict[str, Any]]:
    """The coupons that were read with their products."""
    if kind == "coupon":
        return [obj]
    several = obj.get("discounts")
    found = [obj.get("discount"), *(several if isinstance(several, list) else [])]
    sources = [one.get("source") for one in found if isinstance(one, dict)]
    coupons = [one.get("coupon") for one in sources if isinstance(one, dict)]
    return [one for one in coupons if isinstance(one, dict) and not one.get("deleted")]
