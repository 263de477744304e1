"""Changes of running subscriptions through the API: update, cancel, pause, resume."""

from plumbline_simulators.stripe import params as read
from plumbline_simulators.stripe.discounts import Holder, replaced_discounts
from plumbline_simulators.stripe.endings import end_subscription
from plumbline_simulators.stripe.errors import StripeError, invalid
from plumbline_simulators.stripe.invoices import draft_for
from plumbline_simulators.stripe.items import changed_items, next_end, with_discounts, with_period
from plumbline_simulators.stripe.ledger import Ledger
from plumbline_simulators.stripe.lines import line_for
from plumbline_simulators.stripe.params import Params
from plumbline_simulators.stripe.pricing import amount_of, prorated
from plumbline_simulators.stripe.renewals import UPDATED, charge_draft, pause, renew
from plumbline_simulators.stripe.store import Record
from plumbline_simulators.stripe.subscriptions import plan_subscription
from plumbline_simulators.stripe.taxes import automatic_tax, given_rates

_PRORATIONS = ("create_prorations", "always_invoice", "none")
_ENDED = ("canceled", "incomplete_expired")


def update_subscription(ledger: Ledger, subscription_id: str, params: Params) -> Record:
    before = _running(ledger, subscription_id)
    after = dict(before)
    _set_fields(ledger, before, after, params)
    proration = read.choice(params, "proration_behavior", _PRORATIONS) or "create_prorations"
    invoice_now: list[Record] = []
    if "items" in params:
        after["items"] = changed_items(ledger, before, read.sequence(params, "items"))
        after["items"] = with_discounts(ledger, after)
        lines, at_once = _proration_lines(ledger, before, after, proration)
        if at_once and lines:
            invoice_now = lines
            after["latest_invoice"] = ledger.ids.next("in")
        else:
            after["_pending_lines"] = [*before.get("_pending_lines", []), *lines]
    _set_cancellation(ledger, before, after, params)
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
    subscription = _running(ledger, subscription_id)
    details = read.mapping(params, "cancellation_details")
    return end_subscription(
        ledger,
        subscription,
        reason="cancellation_requested",
        comment=read.text(details, "comment"),
        feedback=read.text(details, "feedback"),
    )


def pause_subscription(ledger: Ledger, subscription_id: str, params: Params) -> Record:  # noqa: ARG001
    subscription = _running(ledger, subscription_id)
    if subscription["status"] == "paused":
        raise StripeError(400, "The subscription is already paused.")
    return pause(ledger, subscription, "pause_requested")


def resume_subscription(ledger: Ledger, subscription_id: str, params: Params) -> Record:
    """Active again, with a new period from now unless the anchor stays `unchanged`."""
    before = _running(ledger, subscription_id)
    if before["status"] != "paused":
        raise StripeError(400, "The subscription is not paused.")
    now = ledger.now()
    anchor = read.choice(params, "billing_cycle_anchor", ("now", "unchanged")) or "now"
    after = {**before, "status": "active", "status_details": None}
    if anchor == "unchanged" and next_end(before["items"]) > now:
        ledger.update(before, after, UPDATED, "customer.subscription.resumed")
        plan_subscription(ledger, after)
        return after
    due = {"current_period_end": now}
    items = [{**item, **due} for item in before["items"]]
    moved = now if anchor == "now" else before["billing_cycle_anchor"]
    renewed = renew(
        ledger,
        {**before, "items": items, "billing_cycle_anchor": moved},
        reason="subscription_update",
    )
    ledger.emit("customer.subscription.resumed", renewed)
    charge_draft(ledger, ledger.get("invoice", renewed["latest_invoice"]))
    return ledger.get("subscription", subscription_id)


def _running(ledger: Ledger, subscription_id: str) -> Record:
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
        given = read.mapping(params, "pause_collection")
        behaviors = ("keep_as_draft", "mark_uncollectible", "void")
        behavior = read.choice(given, "behavior", behaviors)
        resumes_at = read.integer(given, "resumes_at")
        after["pause_collection"] = (
            {"behavior": behavior, "resumes_at": resumes_at} if behavior else None
        )
    if read.text(params, "billing_cycle_anchor") == "now":
        raise invalid("billing_cycle_anchor", "Resetting the anchor goes by changing the price.")


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


def _proration_lines(
    ledger: Ledger, before: Record, after: Record, behavior: str
) -> tuple[list[Record], bool]:
    """Credits and charges for the rest of the period, and whether they are invoiced at once.

    A changed interval starts a new period now, which is always invoiced at once.
    """
    if before["status"] not in ("active", "past_due"):
        return [], False
    now, currency = ledger.now(), before["currency"]
    old = {item["id"]: item for item in before["items"]}
    new = {item["id"]: item for item in after["items"]}
    restarts = any(
        _interval(ledger, item) != _interval(ledger, old[name])
        for name, item in new.items()
        if name in old
    )
    if restarts:
        after["billing_cycle_anchor"] = now
        after["items"] = [with_period(ledger, item, now, now) for item in after["items"]]
    lines = []
    for name, item in old.items():
        if (
            restarts
            or name not in new
            or _cost(ledger, new[name], currency) != _cost(ledger, item, currency)
        ):
            lines.append(_share(ledger, before, item, now, sign=-1))
    for item in after["items"]:
        if restarts:
            lines.append(line_for(ledger, after, item))
        elif item["id"] not in old or _cost(ledger, old[item["id"]], currency) != _cost(
            ledger, item, currency
        ):
            lines.append(_share(ledger, after, item, now, sign=1))
    if behavior == "none":
        lines = [line for line in lines if restarts and line["amount"] > 0]
    return lines, restarts or behavior == "always_invoice"


def _share(ledger: Ledger, subscription: Record, item: Record, now: int, *, sign: int) -> Record:
    start, end = item["current_period_start"], item["current_period_end"]
    cost = _cost(ledger, item, subscription["currency"])
    amount = prorated(cost, max(end - now, 0), end - start)
    return line_for(
        ledger, subscription, item, amount=sign * amount, period=(now, end), proration=True
    )


def _cost(ledger: Ledger, item: Record, currency: str) -> int:
    return amount_of(ledger.get("price", item["price"]), item["quantity"] or 0, currency)


def _interval(ledger: Ledger, item: Record) -> tuple[str, int]:
    recurring = ledger.get("price", item["price"])["recurring"]
    return recurring["interval"], recurring["interval_count"]
