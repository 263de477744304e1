"""Records to Stripe objects: every field of the shape, unset ones null, in a given version."""

import importlib.resources
from collections.abc import Callable, Iterable
from typing import Any

import orjson

from plumbline_simulators.stripe.store import Record, Store
from plumbline_simulators.stripe.versions import BASIL, CLOVER, DEFAULT_VERSION, plan_of, shape_for

OMITTED = {
    "price": ("tiers", "currency_options"),
    "coupon": ("applies_to", "currency_options"),
    "charge": ("refunds",),
}
"""Left out, key and all, until `expand` asks for it."""
EMBEDDED_LIMIT = 10  # nested lists show their first page

_SHAPES: dict[str, bytes] = {
    kind: orjson.dumps(shape)
    for kind, shape in orjson.loads(
        importlib.resources.files(__package__).joinpath("shapes.json").read_bytes()
    ).items()
}


def list_of(rows: list[Record], url: str, *, has_more: bool = False) -> Record:
    return {"object": "list", "data": rows, "has_more": has_more, "url": url}


def first_page(rows: list[Record], url: str) -> Record:
    return list_of(rows[:EMBEDDED_LIMIT], url, has_more=len(rows) > EMBEDDED_LIMIT)


class Renderer:
    """Keys starting with `_` are the simulator's own and never shown."""

    def __init__(self, store: Store, *, livemode: bool) -> None:
        self._store = store
        self._livemode = livemode
        self._prices: dict[str, Record] = {}
        self._fillers: dict[str, Callable[[Record, Record, str], Record]] = {
            "subscription": self._fill_subscription,
            "invoice": self._fill_invoice,
            "credit_note": self._fill_credit_note,
            "customer": self._fill_customer,
            "discount": self._hidden_coupon,
            "promotion_code": self._hidden_coupon,
            "charge": self._hidden_invoice,
            "payment_intent": self._hidden_invoice,
        }

    def render(self, record: Record, version: str = DEFAULT_VERSION) -> Record:
        kind = record["object"]
        if record.get("deleted"):
            return {"id": record["id"], "object": kind, "deleted": True}
        shaped = self._blank(kind, record)
        fill = self._fillers.get(kind)
        hidden = {} if fill is None else fill(record, shaped, version)
        return shape_for(kind, shaped, hidden, version)

    def price(self, price_id: str) -> Record:
        """The rendered price, shared: callers must not change it."""
        found = self._prices.get(price_id)
        if found is None:
            record = self._store.get(price_id, "price")
            if record is None:
                raise KeyError(price_id)
            found = self._prices[price_id] = self._blank("price", record)
        return found

    def forget_price(self, price_id: str) -> None:
        self._prices.pop(price_id, None)

    def forget_prices(self) -> None:
        self._prices.clear()

    def item(self, item: Record, subscription: str, version: str) -> Record:
        shaped = self._blank("subscription_item", item)
        shaped["subscription"] = subscription
        if item.get("tax_rates"):
            shaped["tax_rates"] = self._tax_rates(item["tax_rates"])
        price = self.price(item["price"])
        shaped["price"] = price
        shaped["plan"] = plan_of(price)
        return shape_for("subscription_item", shaped, {}, version)

    def line(self, line: Record, invoice: str) -> Record:
        shaped = self._blank("invoice_line_item", line)
        shaped["invoice"] = invoice
        return shaped

    def credit_line(self, line: Record) -> Record:
        return self._blank("credit_note_line_item", line)

    def _blank(self, kind: str, record: Record) -> Record:
        shaped: Record = orjson.loads(_SHAPES[kind])
        for name, value in record.items():
            if not name.startswith("_"):
                shaped[name] = value
        for name in OMITTED.get(kind, ()):
            shaped.pop(name, None)
        if "livemode" in shaped:
            shaped["livemode"] = self._livemode
        return shaped

    def _fill_subscription(self, record: Record, shaped: Record, version: str) -> Record:
        rows = [self.item(item, record["id"], version) for item in record["items"]]
        shaped["items"] = first_page(rows, f"/v1/subscription_items?subscription={record['id']}")
        shaped["default_tax_rates"] = self._tax_rates(record.get("default_tax_rates", ()))
        return {"discounts": self._discounts(record, version)} if version < BASIL else {}

    def _fill_invoice(self, record: Record, shaped: Record, version: str) -> Record:
        rows = [self.line(line, record["id"]) for line in record["lines"]]
        shaped["lines"] = first_page(rows, f"/v1/invoices/{record['id']}/lines")
        return self._hidden_of_invoice(record, version) if version < BASIL else {}

    def _fill_credit_note(self, record: Record, shaped: Record, version: str) -> Record:  # noqa: ARG002
        rows = [self.credit_line(line) for line in record["lines"]]
        shaped["lines"] = first_page(rows, f"/v1/credit_notes/{record['id']}/lines")
        return {}

    def _fill_customer(self, record: Record, shaped: Record, version: str) -> Record:
        if record.get("discount"):
            discount = self._store.get(record["discount"], "discount")
            shaped["discount"] = self.render(discount, version) if discount else None
        return {}

    def _hidden_coupon(self, record: Record, shaped: Record, version: str) -> Record:  # noqa: ARG002
        if version >= CLOVER:
            return {}
        coupon = self._store.get((record.get("source") or record["promotion"])["coupon"])
        return {"coupon": self.render(coupon) if coupon else None}

    def _hidden_invoice(self, record: Record, shaped: Record, version: str) -> Record:  # noqa: ARG002
        return {"invoice": record.get("_invoice")}

    def _discounts(self, record: Record, version: str) -> list[Record]:
        found = [self._store.get(name, "discount") for name in record.get("discounts", [])]
        return [self.render(discount, version) for discount in found if discount is not None]

    def _tax_rates(self, names: Iterable[str]) -> list[Record]:
        found = [self._store.get(name, "tax_rate") for name in names]
        return [self.render(rate) for rate in found if rate is not None]

    def _hidden_of_invoice(self, record: Record, version: str) -> Record:
        names = {line["pricing"]["price_details"]["price"] for line in record["lines"]}
        return {
            "payment_intent": record.get("_payment_intent"),
            "charge": record.get("_charge"),
            "paid_out_of_band": record.get("_paid_out_of_band", False),
            "discounts": self._discounts(record, version),
            "prices": {name: self.price(name) for name in names},
        }


def changed(before: Any, after: Any) -> Record:
    """`previous_attributes`: changed fields with their old values; changed arrays whole."""
    previous: Record = {}
    for name in {**before, **after}:
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            previous[name] = changed(old, new)
        else:
            previous[name] = old
    return previous
