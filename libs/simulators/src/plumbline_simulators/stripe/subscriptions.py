"""Starting subscriptions: trials, first invoices, incomplete ones."""

from plumbline_simulators.stripe import params as read
from plumbline_simulators.stripe.customers import living_customer
from plumbline_simulators.stripe.discounts import Holder, new_discounts
from plumbline_simulators.stripe.errors import StripeError, card_declined, invalid, required
from plumbline_simulators.stripe.invoices import draft_for, fail, finalize, settle
from plumbline_simulators.stripe.items import (
    check_items,
    new_items,
    next_end,
    with_discounts,
    with_period,
)
from plumbline_simulators.stripe.ledger import Ledger
from plumbline_simulators.stripe.lines import line_for
from plumbline_simulators.stripe.params import Params
from plumbline_simulators.stripe.periods import DAY_SECONDS
from plumbline_simulators.stripe.planning import TRIAL_NOTICE_SECONDS, plan_subscription
from plumbline_simulators.stripe.pricing import amount_of, prorated
from plumbline_simulators.stripe.store import Record
from plumbline_simulators.stripe.taxes import automatic_tax, given_rates

INCOMPLETE_SECONDS = 23 * 3600
_BEHAVIOURS = (
    "allow_incomplete",
    "default_incomplete",
    "error_if_incomplete",
    "pending_if_incomplete",
)


def create_subscription(ledger: Ledger, params: Params) -> Record:
    now = ledger.now()
    customer = living_customer(
        ledger, read.needed(params, "customer"), param="customer", status=400
    )
    items = new_items(ledger, params)
    trial_end = _trial_end(params, now)
    anchor = trial_end or read.integer(params, "billing_cycle_anchor") or now
    record: Record = {
        "object": "subscription",
        "id": ledger.ids.next("sub"),
        "created": now,
        "start_date": read.integer(params, "backdate_start_date") or now,
        "billing_cycle_anchor": anchor,
        "customer": customer["id"],
        "currency": check_items(ledger, items, read.text(params, "currency")),
        "collection_method": _collection_method(params),
        "days_until_due": read.integer(params, "days_until_due", at_least=0),
        "cancel_at": read.integer(params, "cancel_at"),
        "cancel_at_period_end": read.boolean(params, "cancel_at_period_end") or False,
        "default_payment_method": read.text(params, "default_payment_method"),
        "description": read.text(params, "description"),
        "metadata": read.merged_metadata({}, params),
        "trial_start": now if trial_end else None,
        "trial_end": trial_end,
        "items": [_first_period(ledger, item, anchor, now, trial_end) for item in items],
    }
    if "trial_settings" in params:
        record["trial_settings"] = trial_settings(params)
    tax = automatic_tax(ledger, params, customer)
    if tax is not None:
        record["automatic_tax"] = tax
    record["default_tax_rates"] = given_rates(ledger, params, "default_tax_rates")
    holder = Holder(customer["id"], record["id"], currency=record["currency"])
    record["discounts"] = new_discounts(ledger, holder, read.sequence(params, "discounts"))
    record["items"] = with_discounts(ledger, record)
    if record["collection_method"] == "send_invoice" and record["days_until_due"] is None:
        raise required("days_until_due")
    if record["cancel_at_period_end"]:
        record["cancel_at"] = next_end(record["items"])
        record["canceled_at"] = now
    behaviour = read.choice(params, "payment_behavior", _BEHAVIOURS) or "allow_incomplete"
    return _begin(ledger, record, behaviour)


def _begin(ledger: Ledger, record: Record, behaviour: str) -> Record:
    """The first invoice decides the first status; both are made before the first event."""
    trialing = record["trial_end"] is not None
    lines = [_first_line(ledger, record, item) for item in record["items"]]
    owed = 0 if trialing else sum(line["amount"] for line in lines)
    sent = record["collection_method"] == "send_invoice"
    pays = ledger.behaviour(record["customer"])
    incomplete = False
    if owed > 0 and not sent:
        if pays == "missing" and behaviour != "default_incomplete":
            raise StripeError(
                400,
                "This customer has no attached payment source or default payment method.",
                code="resource_missing",
            )
        if pays == "fail" and behaviour == "error_if_incomplete":
            raise card_declined()
        incomplete = pays != "ok" or behaviour == "default_incomplete"
    record["status"] = "trialing" if trialing else "incomplete" if incomplete else "active"
    record["latest_invoice"] = ledger.ids.next("in")
    ledger.create(record, "customer.subscription.created")
    plan_subscription(ledger, record)
    if trialing and record["trial_end"] - TRIAL_NOTICE_SECONDS <= ledger.now():
        ledger.emit("customer.subscription.trial_will_end", record)
    invoice = draft_for(
        ledger,
        record,
        lines,
        reason="subscription_create",
        invoice_id=record["latest_invoice"],
        advance=sent,
    )
    if sent:
        return record
    invoice = finalize(ledger, invoice)
    if incomplete:
        ledger.store.plan_job(record["id"], "expire", ledger.now() + INCOMPLETE_SECONDS)
        if behaviour != "default_incomplete":
            fail(ledger, invoice, retry=False)
    elif invoice["status"] == "open":
        settle(ledger, invoice)
    return ledger.get("subscription", record["id"])


def _first_period(
    ledger: Ledger, item: Record, anchor: int, now: int, trial_end: int | None
) -> Record:
    if trial_end is not None:
        return {**item, "current_period_start": now, "current_period_end": trial_end}
    placed = with_period(ledger, item, anchor, now)
    return {**placed, "current_period_start": max(placed["current_period_start"], now)}


def _first_line(ledger: Ledger, record: Record, item: Record) -> Record:
    """A trial costs nothing; a period cut by the anchor costs its share."""
    if record["trial_end"] is not None:
        return line_for(ledger, record, item, amount=0)
    anchored = with_period(
        ledger, item, record["billing_cycle_anchor"], item["current_period_start"]
    )
    whole = anchored["current_period_end"] - anchored["current_period_start"]
    rest = item["current_period_end"] - item["current_period_start"]
    if rest == whole:
        return line_for(ledger, record, item)
    price = ledger.get("price", item["price"])
    full = amount_of(price, item["quantity"] or 0, record["currency"])
    return line_for(ledger, record, item, amount=prorated(full, rest, whole), proration=True)


def _trial_end(params: Params, now: int) -> int | None:
    days = read.integer(params, "trial_period_days", at_least=0)
    if params.get("trial_end") == "now":
        return None
    end = read.integer(params, "trial_end")
    if days is not None and end is not None:
        raise invalid("trial_end", "You may only specify one of trial_end, trial_period_days.")
    if end is not None and end <= now:
        raise invalid("trial_end", "Invalid timestamp: must be an integer Unix time in the future.")
    return now + days * DAY_SECONDS if days else end


def trial_settings(params: Params) -> Record:
    """What happens at a trial's end to a customer without a payment method."""
    behavior = read.mapping(read.mapping(params, "trial_settings"), "end_behavior")
    allowed = ("cancel", "create_invoice", "pause")
    missing = read.choice(behavior, "missing_payment_method", allowed) or "create_invoice"
    return {"end_behavior": {"billing_cycle_anchor": None, "missing_payment_method": missing}}


def _collection_method(params: Params) -> str:
    allowed = ("charge_automatically", "send_invoice")
    return read.choice(params, "collection_method", allowed) or "charge_automatically"
