"""Stage and state of one billing customer (billing.md, lifecycle and its fine print)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from plumbline_schemas.accounts import Stage, State
from plumbline_schemas.billing import Subscription

from plumbline_domain.facts import PLANNED_WITHIN, SubscriptionFacts
from plumbline_domain.payment_status import PaymentHealth
from plumbline_domain.sighting import SeenInvoice, SeenSubscription, Sighting
from plumbline_domain.subscriptions import NEVER_BEGAN, ended_last, start_of, started

_STATES: Final[dict[Stage, State]] = {
    "trial": "trial",
    "activated": "active",
    "paying": "active",
    "expanded": "active",
    "at_risk": "at_risk",
    "churned": "churned",
    "prospect": "prospect",
}


@dataclass(frozen=True, slots=True)
class Triggers:
    """What makes a running customer `at_risk`; both by default (billing.md, fine print)."""

    payment_trouble: bool = True
    planned_cancellation: bool = True


BOTH: Final = Triggers()


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """Where a customer stands, the rule that said so, and the object that decided."""

    stage: Stage
    rule: str
    by: Sighting | None = None

    @property
    def state(self) -> State:
        """The coarse word: active covers activated, paying and expanded."""
        return _STATES[self.stage]


def planned_cancellation(subscription: Subscription | SubscriptionFacts, at: datetime) -> bool:
    """Asked for at period end, or to come within 90 days."""
    if subscription.cancel_at_period_end:
        return True
    return subscription.cancel_at is not None and subscription.cancel_at - at <= PLANNED_WITHIN


def lifecycle(
    subscriptions: Sequence[SeenSubscription],
    invoices: Sequence[SeenInvoice],
    payment: PaymentHealth,
    *,
    at: datetime,
    triggers: Triggers = BOTH,
    expanded: bool = False,
) -> Lifecycle:
    """Stage of a customer at the instant `at`.

    `expanded`: its MRR is above the one at the first payment, a stored fact of the account; without
    it (no history yet) a customer who pays is `paying`.
    """
    existing = sorted(
        (s for s in subscriptions if started(s.body, at) and s.body.status not in NEVER_BEGAN),
        key=start_of,
    )
    if not existing:
        return Lifecycle("prospect", "lifecycle.no_subscription")
    living = [seen for seen in existing if seen.body.status != "canceled"]
    if not living:
        return Lifecycle("churned", "lifecycle.none_live", ended_last(existing).sighting)
    running = [seen for seen in living if seen.body.status != "paused"]
    if not running:
        return Lifecycle("at_risk", "lifecycle.only_paused", living[0].sighting)
    risk = _at_risk(running, payment, at, triggers)
    if risk is not None:
        return risk
    return _underneath(running, invoices, expanded=expanded)


def pays(
    subscriptions: Sequence[SeenSubscription], invoices: Sequence[SeenInvoice], *, at: datetime
) -> bool:
    """Whether a customer is paying, or would be without a risk: its baseline can be taken."""
    return runs(subscriptions, at=at) and _first_paid(invoices) is not None


def runs(subscriptions: Sequence[SeenSubscription], *, at: datetime) -> bool:
    """Whether any subscription is past its trial and not over."""
    statuses = {
        seen.body.status
        for seen in subscriptions
        if started(seen.body, at) and seen.body.status not in NEVER_BEGAN | {"canceled", "paused"}
    }
    return bool(statuses - {"trialing"})


def _underneath(
    running: Sequence[SeenSubscription],
    invoices: Sequence[SeenInvoice],
    *,
    expanded: bool,
) -> Lifecycle:
    """The stage without risk, to which a customer returns when the risk is over."""
    if all(seen.body.status == "trialing" for seen in running):
        return Lifecycle("trial", "lifecycle.trialing", running[0].sighting)
    payer = _first_paid(invoices)
    if payer is None:
        return Lifecycle("activated", "lifecycle.nothing_paid_yet", running[0].sighting)
    if expanded:
        return Lifecycle("expanded", "lifecycle.above_first_payment", running[0].sighting)
    return Lifecycle("paying", "lifecycle.paid", payer)


def _at_risk(
    running: Sequence[SeenSubscription],
    payment: PaymentHealth,
    at: datetime,
    triggers: Triggers,
) -> Lifecycle | None:
    if triggers.payment_trouble and payment.value in {"failing", "past_due"}:
        return Lifecycle("at_risk", f"lifecycle.payment_{payment.value}", payment.by)
    for seen in running if triggers.planned_cancellation else ():
        if planned_cancellation(seen.body, at):
            return Lifecycle("at_risk", "lifecycle.planned_cancellation", seen.sighting)
    return None


def _first_paid(invoices: Sequence[SeenInvoice]) -> Sighting | None:
    """Any invoice paid above zero counts: one-off ones and those of ended subscriptions too."""
    paid = [s for s in invoices if s.body.status == "paid" and s.body.amount_paid > 0]
    return min(paid, key=lambda seen: seen.id).sighting if paid else None
