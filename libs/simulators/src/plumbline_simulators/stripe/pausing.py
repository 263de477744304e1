"""The API's pause and resume of subscriptions, as endive has them (vendors 1.6)."""

from plumbline_simulators.stripe import params as read
from plumbline_simulators.stripe.errors import StripeError
from plumbline_simulators.stripe.invoices import draft_for
from plumbline_simulators.stripe.items import next_end
from plumbline_simulators.stripe.ledger import Ledger
from plumbline_simulators.stripe.params import Params
from plumbline_simulators.stripe.pauses import RESUMES, UPDATED, go_on, pause
from plumbline_simulators.stripe.proration import share
from plumbline_simulators.stripe.renewals import charge_draft, finalize_draft, renew
from plumbline_simulators.stripe.store import Record
from plumbline_simulators.stripe.subscription_changes import running

LAPSE_SECONDS = 23 * 3600
_UNUSED = ("item_current_period_start", "none", "now")
_INVOICING = ("invoice", "pending_invoice_item")
_ANCHORS = ("now", "unchanged")
_BEHAVIORS = ("resume_on_payment_attempt", "resume_on_payment_success")


def pause_subscription(ledger: Ledger, subscription_id: str, params: Params) -> Record:
    """Paused at once; what is paid and not used becomes credit, unless asked otherwise."""
    before = running(ledger, subscription_id)
    if before["status"] == "paused":
        raise StripeError(400, "The subscription is already paused.")
    if before.get("schedule"):
        raise StripeError(400, "You cannot pause a subscription with an attached schedule.")
    lines = _unused(ledger, before, params)
    invoicing = read.choice(params, "invoicing_behavior", _INVOICING) or "pending_invoice_item"
    if lines and invoicing == "pending_invoice_item":
        pending = [*before.get("_pending_lines", []), *lines]
        return pause(ledger, {**before, "_pending_lines": pending}, "pause_requested")
    after = pause(ledger, before, "pause_requested")
    if lines:
        finalize_draft(ledger, draft_for(ledger, after, lines, reason="subscription_update"))
    return ledger.get("subscription", subscription_id)


def _unused(ledger: Ledger, subscription: Record, params: Params) -> list[Record]:
    """Credit for licensed items from now, from their period's start, or none."""
    given = read.mapping(read.mapping(params, "bill_for"), "unused_time_from")
    since = read.choice(given, "type", _UNUSED) or "now"
    if since == "none" or subscription["status"] not in ("active", "past_due"):
        return []
    return [
        share(
            ledger,
            subscription,
            item,
            ledger.now() if since == "now" else item["current_period_start"],
            sign=-1,
        )
        for item in subscription["items"]
        if item["quantity"] is not None and item["current_period_end"] > ledger.now()
    ]


def resume_subscription(ledger: Ledger, subscription_id: str, params: Params) -> Record:
    """A new period from now, unless the anchor stays `unchanged`.

    Without an invoice to pay it is active at once. Else the invoice is finalised, and the
    subscription stays paused until it is paid: Stripe tries that during the call only when asked
    to (`resume_on_payment_success`), and voids it after 23 hours without an attempt.
    """
    before = running(ledger, subscription_id)
    if before["status"] != "paused":
        raise StripeError(400, "The subscription is not paused.")
    if before["collection_method"] != "charge_automatically":
        raise StripeError(400, "Only subscriptions that are charged automatically can be resumed.")
    anchor = _anchor(params)
    behavior = read.choice(params, "payment_behavior", _BEHAVIORS) or _BEHAVIORS[0]
    now = ledger.now()
    if anchor == "unchanged" and next_end(before["items"]) > now:
        return go_on(ledger, before)
    items = [{**item, "current_period_end": now} for item in before["items"]]
    moved = now if anchor == "now" else before["billing_cycle_anchor"]
    renewed = renew(
        ledger,
        {**before, "items": items, "billing_cycle_anchor": moved},
        reason="subscription_update",
        stays_paused=True,
    )
    invoice = ledger.get("invoice", renewed["latest_invoice"])
    waiting = {**renewed, RESUMES: invoice["id"]}
    ledger.update(renewed, waiting, UPDATED)
    ledger.store.plan_job(subscription_id, "resume_lapses", now + LAPSE_SECONDS)
    if behavior == "resume_on_payment_success":
        charge_draft(ledger, invoice)
    else:
        finalize_draft(ledger, invoice)
    return ledger.get("subscription", subscription_id)


def _anchor(params: Params) -> str:
    """`now` or `unchanged`, in the words of endive (`{type}`) or of the versions before."""
    given = params.get("billing_cycle_anchor")
    if isinstance(given, dict):
        return read.choice(given, "type", _ANCHORS) or "now"
    return read.choice(params, "billing_cycle_anchor", _ANCHORS) or "now"
