"""Plan, payment status, state and stage of an account, by the fold's own rules."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from plumbline_domain.lifecycle import Lifecycle, lifecycle
from plumbline_domain.payment_status import PaymentHealth, payment_health
from plumbline_domain.plan import Plan, plan
from plumbline_schemas.accounts import Stage

from console.explain.account import Account, Member, catalogue_of

_FIRST_TO_LAST: Final[tuple[Stage, ...]] = (
    "at_risk",
    "expanded",
    "paying",
    "activated",
    "trial",
    "churned",
    "prospect",
)
_NOTHING_OWED: Final = PaymentHealth("none", "payment_status.customer_deleted")


@dataclass(frozen=True, slots=True)
class Standing:
    """What the rules say besides the number; each part with the rule that said so."""

    plan: Plan
    payment: PaymentHealth
    where: Lifecycle


def standing(account: Account, at: datetime) -> Standing:
    """Plan and payment status as if all objects were one customer's (design 9)."""
    payment = _health(account.members, at)
    return Standing(
        plan=plan(account.subscriptions, catalogue_of(account), at=at),
        payment=payment,
        where=_where(account.members, payment, at),
    )


def _health(members: Sequence[Member], at: datetime) -> PaymentHealth:
    alive = [member for member in members if member.deletion is None]
    if members and not alive:
        return _NOTHING_OWED
    subscriptions = [seen for member in alive for seen in member.subscriptions]
    return payment_health(subscriptions, [s for m in alive for s in m.invoices], at=at)


def _where(members: Sequence[Member], payment: PaymentHealth, at: datetime) -> Lifecycle:
    """The first that any customer has; without history nobody is `expanded`."""
    if len(members) == 1 and members[0].deletion is None:
        return lifecycle(members[0].subscriptions, members[0].invoices, payment, at=at)
    found = [_of_one(member, at) for member in members]
    return min(
        found,
        key=lambda one: _FIRST_TO_LAST.index(one.stage),
        default=Lifecycle("prospect", "lifecycle.no_subscription"),
    )


def _of_one(member: Member, at: datetime) -> Lifecycle:
    own = _health([member], at)
    found = lifecycle(member.subscriptions, member.invoices, own, at=at)
    if member.deletion is None:
        return found
    return replace(found, rule="lifecycle.customer_deleted", by=member.deletion)
