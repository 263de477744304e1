"""Changes of running subscriptions through the API: update, cancel."""

from plumbline_simulators.stripe import params as read
from plumbline_simulators.stripe.discounts import Holder, replaced_discounts
from plumbline_simulators.stripe.endings import end_subscription
from plumbline_simulators.stripe.errors import StripeError, invalid
from plumbline_simulators.stripe.invoices import draft_for
from plumbline_simulators.stripe.items import changed_items, next_end, with_discounts
from plumbline_simulators.stripe.ledger import Ledger
from plumbline_simulators.stripe.params import Params
from plumbline_simulators.stripe.pauses import UPDATED
from plumbline_simulators.stripe.planning import plan_subscription
from plumbline_simulators.stripe.proration import proration_lines
from plumbline_simulators.stripe.renewals import charge_draft, renew
from plumbline_simulators.stripe.store import Record
from plumbline_simulators.stripe.subscriptions import trial_settings
from plumbline_simulators.stripe.taxes import automatic_tax, given_rates

_PRORATIONS = ("create_prorations", "always_invoice", "none")
_ENDED = ("canceled", "incomplete_expired")


def update_subscription(ledger: Ledger, subscription_id: str, params: Params) -> Record:
    before = running(ledger, subscription_id)
    after = dict(before)
    _set_fields(ledger, before, after, params)
    proration = read.choice(params, "proration_behavior", _PRORATIONS) or "create_prorations"
    invoice_now: list[Record] = []
    if "items" in params:
        after["items"] = changed_items(ledger, before, read.sequence(params, "items"))
        after["items"] = with_discounts(ledger, after)
        lines, at_once = proration_lines(ledger, before, after, proration)
        if at_once and lines:
            invoice_now = lines
            after["latest_invoice"] = ledger.ids.next("in")
        else:
            after["_pending_lines"] = [*before.get("_pending_lines", []), *lines]
    _set_cancellation(ledger, before, after, params)
    if "trial_settings" in params:
        after["trial_settings"] = trial_settings(params)
    if "trial_end" in params:
        return _new_trial_end(ledger, before, after, params)
    ledger.update(before, after, UPDATED)
    plan_subscription(ledger, after)
    if invoice_now:
        draft = draft_for(
            ledger,
            after,
            invoice_now,
            reason="subscription_update",
            invoice_id=after["latest_invoice"],
        )
        charge_draft(ledger, draft)
    return ledger.get("subscription", subscription_id)


def cancel_subscription(ledger: Ledger, subscription_id: str, params: Params) -> Record:
    subscription = running(ledger, subscription_id)
    details = read.mapping(params, "cancellation_details")
    return end_subscription(
        ledger,
        subscription,
        reason="cancellation_requested",
        comment=read.text(details, "comment"),
        feedback=read.text(details, "feedback"),
    )


def running(ledger: Ledger, subscription_id: str) -> Record:
    """A subscription that is not over; raises Stripe's 404."""
    subscription = ledger.get("subscription", subscription_id)
    if subscription["status"] in _ENDED:
        message = f"No such subscription: '{subscription_id}' (it is {subscription['status']})"
        raise StripeError(404, message, code="resource_missing", param="id")
    return subscription


def _set_fields(ledger: Ledger, before: Record, after: Record, params: Params) -> None:
    after["metadata"] = read.merged_metadata(before["metadata"], params)
    for name in ("description", "default_payment_method"):
        if name in params:
            after[name] = read.text(params, name)
    if "days_until_due" in params:
        after["days_until_due"] = read.integer(params, "days_until_due", at_least=0)
    if "collection_method" in params:
        allowed = ("charge_automatically", "send_invoice")
        after["collection_method"] = read.choice(params, "collection_method", allowed)
    if "discounts" in params:
        holder = Holder(before["customer"], before["id"], currency=before["currency"])
        asked = read.sequence(params, "discounts")
        held = before.get("discounts", [])
        after["discounts"] = replaced_discounts(ledger, holder, held, asked)
    if "default_tax_rates" in params:
        after["default_tax_rates"] = given_rates(ledger, params, "default_tax_rates")
    customer = ledger.get("customer", before["customer"])
    tax = automatic_tax(ledger, params, customer)
    if tax is not None:
        after["automatic_tax"] = tax
    if "pause_collection" in params:
        after["pause_collection"] = _pause_collection(params)
    if read.text(params, "billing_cycle_anchor") == "now":
        raise invalid("billing_cycle_anchor", "Resetting the anchor goes by changing the price.")


def _pause_collection(params: Params) -> Record | None:
    given = read.mapping(params, "pause_collection")
    behavior = read.choice(given, "behavior", ("keep_as_draft", "mark_uncollectible", "void"))
    resumes_at = read.integer(given, "resumes_at")
    return {"behavior": behavior, "resumes_at": resumes_at} if behavior else None


def _set_cancellation(ledger: Ledger, before: Record, after: Record, params: Params) -> None:
    scheduled = read.boolean(params, "cancel_at_period_end")
    if scheduled is not None:
        after["cancel_at_period_end"] = scheduled
        after["cancel_at"] = next_end(after["items"]) if scheduled else None
    if "cancel_at" in params:
        after["cancel_at"] = read.integer(params, "cancel_at")
        after["cancel_at_period_end"] = False
    if after.get("cancel_at") == before.get("cancel_at"):
        return
    planned = after["cancel_at"] is not None
    after["canceled_at"] = ledger.now() if planned else None
    details = read.mapping(params, "cancellation_details")
    after["cancellation_details"] = {
        "comment": read.text(details, "comment"),
        "feedback": read.text(details, "feedback"),
        "reason": "cancellation_requested" if planned else None,
    }


def _new_trial_end(ledger: Ledger, before: Record, after: Record, params: Params) -> Record:
    """A moved trial end, or `now`: the first paid period begins at once."""
    now = ledger.now()
    at_once = params["trial_end"] == "now"
    end = now if at_once else read.integer(params, "trial_end")
    if end is None or (end <= now and not at_once):
        raise invalid("trial_end", "Invalid timestamp: must be an integer Unix time in the future.")
    items = [{**item, "current_period_end": end} for item in after["items"]]
    after = {**after, "trial_end": end, "billing_cycle_anchor": end, "items": items}
    if not at_once:
        after["status"] = "trialing"
        after["trial_start"] = after.get("trial_start") or now
        ledger.update(before, after, UPDATED)
        plan_subscription(ledger, after)
        return after
    ledger.store.put("subscription", after)
    renewed = renew(ledger, after, reason="subscription_update")
    charge_draft(ledger, ledger.get("invoice", renewed["latest_invoice"]))
    return ledger.get("subscription", before["id"])
