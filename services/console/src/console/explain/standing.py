"""Plan, payment status, state and stage of an account, by the fold's own rules."""

from dataclasses import dataclass
from datetime import datetime

from plumbline_domain.lifecycle import Lifecycle
from plumbline_domain.payment_status import PaymentHealth
from plumbline_domain.plan import Plan, plan
from plumbline_domain.standing import standings_of

from console.explain.account import Account, catalogue_of


@dataclass(frozen=True, slots=True)
class Standing:
    """What the rules say besides the number; each part with the rule that said so."""

    plan: Plan
    payment: PaymentHealth
    where: Lifecycle


def standing(account: Account, at: datetime) -> Standing:
    """As the fold has it, but without history: nobody is `expanded`."""
    payment, where, _ = standings_of(account.members, account.members, at)
    return Standing(
        plan=plan(account.subscriptions, catalogue_of(account), at=at),
        payment=payment,
        where=where,
    )
