"""Subscription items: prices, quantities, periods, and the changes asked of them."""

from plumbline_simulators.stripe import params as read
from plumbline_simulators.stripe.catalog import create_price
from plumbline_simulators.stripe.discounts import Holder, replaced_discounts
from plumbline_simulators.stripe.errors import StripeError, invalid, missing, required
from plumbline_simulators.stripe.ledger import Ledger
from plumbline_simulators.stripe.params import Params
from plumbline_simulators.stripe.periods import period_at
from plumbline_simulators.stripe.store import Record
from plumbline_simulators.stripe.taxes import given_rates

MAX_ITEMS = 20
_ASKED = "_discounts"  # of a call, until `with_discounts` has made them


def new_items(ledger: Ledger, params: Params) -> list[Record]:
    """Items of a create call, without periods and discounts yet."""
    given = read.sequence(params, "items")
    if not given:
        raise required("items")
    items = [new_item(ledger, entry) for entry in given]
    check_items(ledger, items, read.text(params, "currency"))
    return items


def new_item(ledger: Ledger, entry: Params) -> Record:
    price = _price_of(ledger, entry)
    metered = price["recurring"]["usage_type"] == "metered"
    quantity = read.integer(entry, "quantity", at_least=0)
    asked = {_ASKED: read.sequence(entry, "discounts")} if "discounts" in entry else {}
    return {
        **asked,
        "id": ledger.ids.next("si"),
        "created": ledger.now(),
        "price": price["id"],
        "quantity": None if metered else (1 if quantity is None else quantity),
        "metadata": read.merged_metadata({}, entry),
        "tax_rates": given_rates(ledger, entry, "tax_rates"),
    }


def check_items(ledger: Ledger, items: list[Record], currency: str | None = None) -> str:
    """The items' one currency, which is `currency` if given and every price has it.

    Raises for too many items, several currencies or one price twice.
    """
    if len(items) > MAX_ITEMS:
        raise invalid("items", f"A subscription can have at most {MAX_ITEMS} items.")
    if len({item["price"] for item in items}) < len(items):
        raise invalid("items", "Cannot add multiple subscription items with the same price.")
    prices = [ledger.get("price", item["price"]) for item in items]
    if currency is not None and all(_is_in(price, currency) for price in prices):
        return currency
    currencies = {price["currency"] for price in prices}
    if len(currencies) != 1:
        raise invalid("items", "All prices on a subscription must have the same currency.")
    return str(currencies.pop())


def with_discounts(ledger: Ledger, subscription: Record) -> list[Record]:
    """The subscription's items with the discounts that the call asked for."""
    name, customer = subscription["id"], subscription["customer"]
    made = []
    for item in subscription["items"]:
        if _ASKED not in item:
            made.append(item)
            continue
        after = dict(item)
        holder = Holder(customer, name, item["id"], subscription["currency"])
        asked, held = after.pop(_ASKED), item.get("discounts", [])
        after["discounts"] = replaced_discounts(ledger, holder, held, asked)
        made.append(after)
    return made


def with_period(ledger: Ledger, item: Record, anchor: int, instant: int) -> Record:
    """The item in the period of its own interval that holds `instant`."""
    recurring = ledger.get("price", item["price"])["recurring"]
    start, end = period_at(anchor, recurring["interval"], recurring["interval_count"], instant)
    return {**item, "current_period_start": start, "current_period_end": end}


def next_end(items: list[Record]) -> int:
    return min(int(item["current_period_end"]) for item in items)


def changed_items(ledger: Ledger, subscription: Record, given: list[Params]) -> list[Record]:
    """The items after an update call: changed by id, added without one, `deleted` removed."""
    items = {item["id"]: item for item in subscription["items"]}
    now, anchor = ledger.now(), subscription["billing_cycle_anchor"]
    for entry in given:
        item_id = read.text(entry, "id")
        if item_id is None:
            item = new_item(ledger, entry)
            if subscription["status"] == "trialing":
                first = subscription["items"][0]
                item["current_period_start"] = first["current_period_start"]
                item["current_period_end"] = first["current_period_end"]
            else:
                item = with_period(ledger, item, anchor, now)
            items[item["id"]] = item
        elif item_id not in items:
            raise missing("subscription_item", item_id, "items", 400)
        elif read.boolean(entry, "deleted"):
            del items[item_id]
        else:
            items[item_id] = _changed_item(ledger, items[item_id], entry)
    if not items:
        raise StripeError(400, "A subscription must have at least one active item.")
    check_items(ledger, list(items.values()), subscription["currency"])
    return list(items.values())


def _price_of(ledger: Ledger, entry: Params) -> Record:
    if "price_data" in entry:
        price = create_price(ledger, read.mapping(entry, "price_data"))
    else:
        name = read.text(entry, "price") or read.text(entry, "plan")
        if name is None:
            raise required("items[0][price]")
        price = ledger.get("price", name, param="items[0][price]", status=400)
    if not price.get("recurring"):
        raise invalid("items[0][price]", f"The price {price['id']} is not recurring.")
    return price


def _changed_item(ledger: Ledger, item: Record, entry: Params) -> Record:
    after = dict(item)
    if "price" in entry or "plan" in entry or "price_data" in entry:
        price = _price_of(ledger, entry)
        after["price"] = price["id"]
        metered = price["recurring"]["usage_type"] == "metered"
        after["quantity"] = None if metered else 1 if item["quantity"] is None else item["quantity"]
    quantity = read.integer(entry, "quantity", at_least=0)
    if quantity is not None:
        after["quantity"] = quantity
    if "discounts" in entry:
        after[_ASKED] = read.sequence(entry, "discounts")
    if "tax_rates" in entry:
        after["tax_rates"] = given_rates(ledger, entry, "tax_rates")
    after["metadata"] = read.merged_metadata(item["metadata"], entry)
    return after


def _is_in(price: Record, currency: str) -> bool:
    return price["currency"] == currency or currency in (price.get("currency_options") or {})
