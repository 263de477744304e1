"""Many customers and subscriptions at once, as if they had been there all along."""

from collections.abc import Callable, Iterable
from typing import Any

from plumbline_simulators.control import ControlError
from plumbline_simulators.stripe.catalog import create_price, create_product
from plumbline_simulators.stripe.coupons import create_coupon, create_promotion_code
from plumbline_simulators.stripe.customers import create_customer
from plumbline_simulators.stripe.discounts import Holder, give_to_customer, new_discounts
from plumbline_simulators.stripe.errors import StripeError
from plumbline_simulators.stripe.eventlog import Cause
from plumbline_simulators.stripe.invoices import attempt, draft_for, finalize
from plumbline_simulators.stripe.items import new_items, with_discounts, with_period
from plumbline_simulators.stripe.ledger import Ledger
from plumbline_simulators.stripe.lines import line_for
from plumbline_simulators.stripe.planning import plan_subscription
from plumbline_simulators.stripe.store import Record
from plumbline_simulators.stripe.taxes import create_tax_rate, given_rates

STATUSES = ("active", "trialing", "past_due", "unpaid", "paused", "canceled", "incomplete_expired")
_OWN = frozenset({"created", "subscriptions", "payment", "discount"})


def seed(ledger: Ledger, data: dict[str, Any]) -> dict[str, Any]:
    """`products`, `prices`, `coupons`, `promotion_codes`, `tax_rates`, `customers` (each with
    `subscriptions`), in API parameters; `id`, `created` (epoch seconds) and `livemode`-free.
    Customers also take `payment` (ok, fail, missing) and `discount` (coupon or promotion_code);
    subscriptions `status`, `start_date`, `trial_end`, `canceled_at`. Without
    `events: true` nothing is told to anyone. All or nothing.

    Raises ControlError naming the entry.
    """
    makers: dict[str, Callable[[Ledger, dict[str, Any]], Record]] = {
        "products": create_product,
        "prices": create_price,
        "coupons": create_coupon,
        "promotion_codes": create_promotion_code,
        "tax_rates": create_tax_rate,
    }
    made: dict[str, list[str]] = {name: [] for name in makers}
    ledger.silent = not data.get("events", False)
    try:
        with ledger.caused_by(Cause()):
            for name, make in makers.items():
                for index, entry in enumerate(_entries(data, name)):
                    with _Where(f"{name}[{index}]"):
                        record = make(ledger, _as_form(entry))
                        made[name].append(_dated(ledger, record, entry)["id"])
            customers = [
                _customer(ledger, entry, f"customers[{index}]")
                for index, entry in enumerate(_entries(data, "customers"))
            ]
    finally:
        ledger.silent = False
    return {**made, "customers": customers}


class _Where:
    """Turns a refusal into a ControlError that names the entry."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, StripeError | KeyError | TypeError):
            raise ControlError(f"{self._where}: {error}") from error


def _customer(ledger: Ledger, entry: dict[str, Any], where: str) -> dict[str, Any]:
    with _Where(where):
        created = entry.get("created")
        record = create_customer(
            ledger, _as_form({k: v for k, v in entry.items() if k not in _OWN})
        )
        payment = entry.get("payment")
        if payment not in (None, "ok", "fail", "missing"):
            raise ControlError(f"{where}.payment: expected ok, fail or missing, found {payment!r}")
        if payment is not None:
            record = {**record, "_payment": payment}
            ledger.store.put("customer", record)
        _dated(ledger, record, entry)
        if "discount" in entry:
            give_to_customer(ledger, record["id"], _as_form(entry["discount"]))
    subscriptions = []
    for index, given in enumerate(entry.get("subscriptions", [])):
        place = f"{where}.subscriptions[{index}]"
        with _Where(place):
            subscriptions.append(_subscription(ledger, record["id"], given, created, place))
    return {"id": record["id"], "subscriptions": subscriptions}


def _subscription(
    ledger: Ledger, customer: str, entry: dict[str, Any], created: int | None, where: str
) -> str:
    now = ledger.now()
    began = int(entry.get("created", entry.get("start_date", created or now)))
    status = entry.get("status", "trialing" if entry.get("trial_end") else "active")
    if status not in STATUSES:
        raise ControlError(f"{where}.status: expected one of {', '.join(STATUSES)}")
    anchor = int(entry.get("billing_cycle_anchor", entry.get("trial_end") or began))
    given = entry.get("items") or [{k: entry[k] for k in ("price", "quantity") if k in entry}]
    items = new_items(ledger, {"items": [_as_form(item) for item in given]})
    trial_end = entry.get("trial_end")
    ended = status in ("canceled", "incomplete_expired")
    record: Record = {
        "object": "subscription",
        "id": entry.get("id") or ledger.ids.next("sub"),
        "created": began,
        "start_date": int(entry.get("start_date", began)),
        "billing_cycle_anchor": anchor,
        "customer": customer,
        "currency": ledger.get("price", items[0]["price"])["currency"],
        "collection_method": entry.get("collection_method", "charge_automatically"),
        "days_until_due": entry.get("days_until_due"),
        "cancel_at_period_end": entry.get("cancel_at_period_end", False),
        "canceled_at": entry.get("canceled_at", now if ended else None),
        "ended_at": entry.get("ended_at", entry.get("canceled_at", now)) if ended else None,
        "metadata": entry.get("metadata", {}),
        "trial_end": trial_end,
        "trial_start": began if trial_end else None,
        "status": status,
    }
    record["items"] = [
        {**item, "created": began, **_period(ledger, record, item, now)} for item in items
    ]
    rates = {"default_tax_rates": entry.get("default_tax_rates", [])}
    record["default_tax_rates"] = given_rates(ledger, rates, "default_tax_rates")
    holder = Holder(customer, record["id"], currency=record["currency"])
    record["discounts"] = new_discounts(ledger, holder, entry.get("discounts", []))
    record["items"] = with_discounts(ledger, record)
    return _stored(ledger, record)


def _stored(ledger: Ledger, record: Record) -> str:
    unpaid = record["status"] in ("past_due", "unpaid")
    if unpaid:
        record["latest_invoice"] = ledger.ids.next("in")
    ledger.create(record, "customer.subscription.created")
    if unpaid:
        lines = [line_for(ledger, record, item) for item in record["items"]]
        invoice = draft_for(
            ledger,
            record,
            lines,
            reason="subscription_cycle",
            invoice_id=record["latest_invoice"],
            advance=False,
        )
        customer = ledger.get("customer", record["customer"])
        ledger.store.put("customer", {**customer, "_payment": "fail"})
        attempt(ledger, finalize(ledger, invoice))
    plan_subscription(ledger, record)
    name: str = record["id"]
    return name


def _period(ledger: Ledger, record: Record, item: Record, now: int) -> dict[str, int]:
    """The period that holds the present; a trial's is the trial."""
    if record["status"] == "trialing":
        return {
            "current_period_start": record["created"],
            "current_period_end": record["trial_end"],
        }
    at = min(now, record["ended_at"] or now)
    placed = with_period(ledger, item, record["billing_cycle_anchor"], at)
    return {name: placed[name] for name in ("current_period_start", "current_period_end")}


def _entries(data: dict[str, Any], name: str) -> Iterable[dict[str, Any]]:
    entries = data.get(name, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ControlError(f"{name}: expected a list of objects")
    return entries


def _as_form(value: Any) -> Any:
    """JSON values as the form decoder would give them; nulls left out."""
    if isinstance(value, dict):
        return {str(k): _as_form(v) for k, v in value.items() if v is not None and k != "created"}
    if isinstance(value, list):
        return [_as_form(item) for item in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _dated(ledger: Ledger, record: Record, entry: dict[str, Any]) -> Record:
    """Moves the object to its given `created`."""
    if "created" not in entry:
        return record
    moved = {**record, "created": int(entry["created"])}
    ledger.store.delete(record["id"])
    ledger.store.put(record["object"], moved)
    return moved
