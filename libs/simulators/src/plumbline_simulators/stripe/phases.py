"""Phases of a subscription schedule: read from parameters, and put into effect."""

from typing import Any

from plumbline_simulators.stripe import params as read
from plumbline_simulators.stripe.coupons import redeemable
from plumbline_simulators.stripe.errors import StripeError, invalid, required, unknown_parameter
from plumbline_simulators.stripe.items import next_end
from plumbline_simulators.stripe.ledger import Ledger
from plumbline_simulators.stripe.params import Params
from plumbline_simulators.stripe.periods import boundary
from plumbline_simulators.stripe.store import Record
from plumbline_simulators.stripe.subscription_changes import update_subscription

_PRORATIONS = ("always_invoice", "create_prorations", "none")
_KNOWN = frozenset(
    {
        "currency",
        "discounts",
        "duration",
        "end_date",
        "items",
        "metadata",
        "proration_behavior",
        "start_date",
        "trial",
        "trial_end",
    }
)
"""Of a phase's parameters; the others are refused, so that nobody believes they had an effect."""
_BLANK: Record = {
    "add_invoice_items": [],
    "application_fee_percent": None,
    "billing_cycle_anchor": None,
    "billing_thresholds": None,
    "collection_method": None,
    "default_payment_method": None,
    "default_tax_rates": [],
    "description": None,
    "invoice_settings": None,
    "on_behalf_of": None,
    "transfer_data": None,
}


def new_phases(ledger: Ledger, given: list[Params], start: int) -> list[Record]:
    """Phases one after the other from `start`; all but the last need an end."""
    if not given:
        raise required("phases")
    phases = []
    for place, entry in enumerate(given):
        phase = _phase(ledger, entry, read.integer(entry, "start_date") or start, place)
        phases.append(phase)
        start = phase["end_date"]
    return phases


def phase_of(subscription: Record) -> Record:
    """The one phase of a schedule made from a subscription: its present period."""
    items = [_item(item["price"], item["quantity"]) for item in subscription["items"]]
    start = min(int(item["current_period_start"]) for item in subscription["items"])
    return {
        **_BLANK,
        "currency": subscription["currency"],
        "discounts": [{"discount": name} for name in subscription.get("discounts", [])],
        "end_date": next_end(subscription["items"]),
        "items": items,
        "metadata": {},
        "proration_behavior": "create_prorations",
        "start_date": start,
        "trial_end": None,
    }


def first_form(phase: Record, customer: str) -> Params:
    """The phase as parameters of a new subscription."""
    form: Params = {"customer": customer, "items": [_as_form(one) for one in phase["items"]]}
    if phase["discounts"]:
        form["discounts"] = [_given(one) for one in phase["discounts"]]
    if phase["trial_end"]:
        form["trial_end"] = str(phase["trial_end"])
    return form


def put_into_effect(ledger: Ledger, subscription: Record, phase: Record) -> Record:
    """The subscription with the phase's items and discounts.

    At the end of a period nothing is prorated: the renewal that is due bills the new prices. A
    discount that can't be had any more is left out: a phase begins without anybody to tell.
    """
    due = next_end(subscription["items"]) <= ledger.now()
    form: Params = {
        "items": _changes(subscription, phase),
        "proration_behavior": "none" if due else phase["proration_behavior"],
    }
    if phase["discounts"] or subscription.get("discounts"):
        form["discounts"] = [
            _given(one) for one in phase["discounts"] if _can_be_had(ledger, one, subscription)
        ]
    return update_subscription(ledger, subscription["id"], form)


def _can_be_had(ledger: Ledger, discount: Record, subscription: Record) -> bool:
    """Not one whose coupon was deleted, used up or has expired since the schedule was written."""
    if discount.get("discount"):
        return discount["discount"] in subscription.get("discounts", [])
    try:
        redeemable(ledger, _given(discount), subscription["currency"])
    except StripeError:
        return False
    return True


def _changes(subscription: Record, phase: Record) -> list[Params]:
    """Items keep their id where the price stays, then in their order; the others come or go."""
    free = list(subscription["items"])
    taken: dict[int, Record] = {}
    for place, wanted in enumerate(phase["items"]):
        same = next((item for item in free if item["price"] == wanted["price"]), None)
        if same is not None:
            free.remove(same)
            taken[place] = same
    changes = []
    for place, wanted in enumerate(phase["items"]):
        held = taken.get(place) or (free.pop(0) if free else None)
        changes.append(_as_form(wanted) | ({} if held is None else {"id": held["id"]}))
    return [*changes, *({"id": item["id"], "deleted": "true"} for item in free)]


def _phase(ledger: Ledger, entry: Params, start: int, place: int) -> Record:
    where = f"phases[{place}]"
    for name in entry:
        if name not in _KNOWN:
            raise unknown_parameter(f"{where}[{name}]")
    given = read.sequence(entry, "items")
    if not given:
        raise required(f"{where}[items]")
    prices = [
        ledger.get("price", read.needed(one, "price"), param=f"{where}[items]", status=400)
        for one in given
    ]
    items = [
        _item(price["id"], read.integer(one, "quantity", at_least=0))
        for one, price in zip(given, prices, strict=True)
    ]
    end = _end(entry, start, prices[0], where)
    trial_end = read.integer(entry, "trial_end")
    behavior = read.choice(entry, "proration_behavior", _PRORATIONS) or "create_prorations"
    return {
        **_BLANK,
        "currency": prices[0]["currency"],
        "discounts": [dict(one) for one in read.sequence(entry, "discounts")],
        "end_date": end,
        "items": items,
        "metadata": read.merged_metadata({}, entry),
        "proration_behavior": behavior,
        "start_date": start,
        "trial_end": end if read.boolean(entry, "trial") else trial_end,
    }


def _end(entry: Params, start: int, price: Record, where: str) -> int:
    """`end_date`, else `duration`, else one period of the first price."""
    end = read.integer(entry, "end_date")
    if end is not None:
        if end <= start:
            raise invalid(f"{where}[end_date]", "The end of a phase must be after its start.")
        return end
    lasts = read.mapping(entry, "duration")
    if lasts:
        count = read.integer(lasts, "interval_count", at_least=1) or 1
        return boundary(start, read.needed(lasts, "interval"), count, 1)
    recurring = price["recurring"]
    return boundary(start, recurring["interval"], recurring["interval_count"], 1)


def _item(price: str, quantity: int | None) -> Record:
    return {
        "billing_thresholds": None,
        "discounts": [],
        "metadata": {},
        "plan": price,
        "price": price,
        "quantity": 1 if quantity is None else quantity,
        "tax_rates": [],
    }


def _as_form(item: Record) -> dict[str, Any]:
    return {"price": item["price"], "quantity": str(item["quantity"])}


def _given(discount: Record) -> Params:
    return {name: value for name, value in discount.items() if value}
