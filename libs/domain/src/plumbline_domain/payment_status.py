"""Payment health over all invoices and live subscriptions (billing.md, payment_status)."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from plumbline_schemas.accounts import PaymentStatus
from plumbline_schemas.billing import Invoice

from plumbline_domain.facts import EPOCH, InvoiceFacts
from plumbline_domain.sighting import SeenInvoice, SeenSubscription, Sighting
from plumbline_domain.subscriptions import live

_FORGIVING: Final = frozenset({"user_forgiven", "subscription_paused"})
"""Reasons of an uncollectible invoice, as Stripe names them, for which nothing is owed."""


@dataclass(frozen=True, slots=True)
class PaymentHealth:
    """The value, the row of the table that gave it, and the object that decided."""

    value: PaymentStatus
    rule: str
    by: Sighting | None = None


def payment_health(
    subscriptions: Sequence[SeenSubscription], invoices: Sequence[SeenInvoice], *, at: datetime
) -> PaymentHealth:
    """First match of past_due, failing, paid, none."""
    living = sorted((s for s in subscriptions if live(s.body, at)), key=lambda s: s.id)
    by_id = {s.id: s for s in subscriptions}
    counting = counting_invoices(invoices, by_id, at)
    return (
        _past_due(counting, living, by_id, at)
        or _failing(counting, living, by_id)
        or _paid(counting)
        or PaymentHealth("none", "payment_status.no_finalised_invoice")
    )


def counting_invoices(
    invoices: Sequence[SeenInvoice], by_id: dict[str, SeenSubscription], at: datetime
) -> list[SeenInvoice]:
    """Finalised invoices less void, forgiven, and open ones that nobody had to pay yet.

    The one finalised last comes first; `by_id` holds the subscriptions that invoices name.
    """
    found = [
        seen
        for seen in invoices
        if seen.body.status in {"paid", "uncollectible"} or _due(seen.body, at)
    ]
    kept = [seen for seen in found if not _forgiven(seen.body, by_id)]
    return sorted(kept, key=_finalised, reverse=True)


def _finalised(seen: SeenInvoice) -> tuple[datetime, str]:
    return (seen.body.finalized_at or seen.body.created or EPOCH, seen.id)


def _due(invoice: Invoice | InvoiceFacts, at: datetime) -> bool:
    if invoice.status != "open":
        return False
    return _overdue(invoice, at) or _tried(invoice)


def _overdue(invoice: Invoice | InvoiceFacts, at: datetime) -> bool:
    return invoice.due_date is not None and invoice.due_date <= at


def _tried(invoice: Invoice | InvoiceFacts) -> bool:
    return invoice.attempted and invoice.collection_method != "send_invoice"


def _forgiven(invoice: Invoice | InvoiceFacts, by_id: dict[str, SeenSubscription]) -> bool:
    if invoice.status != "uncollectible":
        return False
    if invoice.uncollectible_reason in _FORGIVING:
        return True
    owner = by_id.get(invoice.subscription or "")
    pause = None if owner is None else owner.body.pause_collection
    return pause is not None and pause.behavior == "mark_uncollectible"


def _first_payment_open(
    invoice: Invoice | InvoiceFacts, by_id: dict[str, SeenSubscription]
) -> bool:
    """Stripe waits for the first payment: tried, no next attempt, yet not past due."""
    owner = by_id.get(invoice.subscription or "")
    return owner is not None and owner.body.status == "incomplete"


def _past_due(
    counting: list[SeenInvoice],
    living: Iterable[SeenSubscription],
    by_id: dict[str, SeenSubscription],
    at: datetime,
) -> PaymentHealth | None:
    for seen in counting:
        invoice = seen.body
        if invoice.status != "open" or _first_payment_open(invoice, by_id):
            continue
        if _overdue(invoice, at):
            return PaymentHealth("past_due", "payment_status.due_date_passed", seen.sighting)
        if _tried(invoice) and invoice.next_payment_attempt is None:
            return PaymentHealth("past_due", "payment_status.attempts_exhausted", seen.sighting)
    for seen in _latest_of_each_subscription(counting):
        if seen.body.status == "uncollectible":
            return PaymentHealth("past_due", "payment_status.uncollectible", seen.sighting)
    for subscription in living:
        if subscription.body.status == "unpaid":
            return PaymentHealth(
                "past_due", "payment_status.subscription_unpaid", subscription.sighting
            )
        if subscription.body.status == "paused" and subscription.body.paused_by_payment_failure:
            return PaymentHealth(
                "past_due", "payment_status.paused_by_failure", subscription.sighting
            )
    return None


def _latest_of_each_subscription(counting: list[SeenInvoice]) -> list[SeenInvoice]:
    """Invoices without a subscription are one group of their own; `counting` is newest first."""
    groups: dict[str, list[SeenInvoice]] = defaultdict(list)
    for seen in counting:
        groups[seen.body.subscription or ""].append(seen)
    return [group[0] for group in groups.values()]


def _failing(
    counting: list[SeenInvoice],
    living: Iterable[SeenSubscription],
    by_id: dict[str, SeenSubscription],
) -> PaymentHealth | None:
    for seen in counting:
        invoice = seen.body
        if invoice.status != "open" or not _tried(invoice):
            continue
        if invoice.next_payment_attempt is not None:
            return PaymentHealth("failing", "payment_status.retrying", seen.sighting)
        if _first_payment_open(invoice, by_id):
            return PaymentHealth("failing", "payment_status.first_payment_open", seen.sighting)
    for subscription in living:
        if subscription.body.status in {"past_due", "incomplete"}:
            rule = f"payment_status.subscription_{subscription.body.status}"
            return PaymentHealth("failing", rule, subscription.sighting)
    return None


def _paid(counting: list[SeenInvoice]) -> PaymentHealth | None:
    if counting and counting[0].body.status == "paid":
        return PaymentHealth("paid", "payment_status.latest_paid", counting[0].sighting)
    return None
