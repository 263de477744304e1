"""The answer about one account: what the rules say of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from plumbline_domain.money import to_minor
from plumbline_domain.mrr import Contribution, subscription_mrr
from plumbline_domain.policies import Policy
from plumbline_domain.rates import Rates
from plumbline_domain.reckoning import Beside
from plumbline_domain.sighting import Seen
from plumbline_schemas.billing import Invoice, Subscription

from console.explain.account import Account, Member
from console.explain.standing import Standing, standing
from console.explain.trouble import BadInput


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of every account."""

    policy: Policy
    rates: Rates
    at: datetime


@dataclass(frozen=True, slots=True)
class Part:
    """One subscription's part of the number."""

    seen: Seen[Subscription]
    contribution: Contribution

    @property
    def unsure(self) -> bool:
        """Whether something is missing or wrong, so that no item's number may be shown."""
        return bool(self.contribution.missing) or self.contribution.error is not None


@dataclass(frozen=True, slots=True)
class Answer:
    """Everything about one FILE. `error`: then the number is none, whatever else was found."""

    file: str
    question: Question
    currency: str | None = None
    parts: tuple[Part, ...] = ()
    standing: Standing | None = None
    error: BadInput | None = None
    account: Account | None = None

    @property
    def missing(self) -> tuple[str, ...]:
        """What the number would need, sorted."""
        return tuple(sorted({name for part in self.parts for name in part.contribution.missing}))

    @property
    def status(self) -> str:
        """`error`, `incomplete` or `ok`."""
        if self.error is not None:
            return "error"
        return "incomplete" if self.missing else "ok"

    @property
    def exact(self) -> Fraction | None:
        """Exact minor units; None unless the status is ok."""
        if self.status != "ok":
            return None
        return sum((part.contribution.amount for part in self.parts), Fraction(0))

    @property
    def minor(self) -> int | None:
        """The one rounding, half to even."""
        return None if self.exact is None else to_minor(self.exact)


def ask(file: str, account: Account, question: Question, currency: str) -> Answer:
    """Every rule about one account; what is wrong with its objects becomes the answer's error."""
    parts = tuple(
        part for member in account.members for part in _parts(member, account, question, currency)
    )
    errors = [error for part in parts if (error := _error(file, part)) is not None]
    return Answer(
        file=file,
        question=question,
        currency=currency,
        parts=parts,
        standing=standing(account, question.at),
        error=errors[0] if errors else None,
        account=account,
    )


def _error(file: str, part: Part) -> BadInput | None:
    wrong = part.contribution.error
    if wrong is None:
        return None
    place = part.seen.id if wrong.where == part.seen.id else f"{part.seen.id}, {wrong.where}"
    return BadInput(wrong.name, f"{file}: {place}")


def _parts(member: Member, account: Account, question: Question, currency: str) -> Sequence[Part]:
    return [
        Part(
            seen,
            subscription_mrr(
                seen.id,
                seen.body,
                Beside(
                    currency=currency,
                    at=question.at,
                    policy=question.policy,
                    rates=question.rates,
                    book=account.book,
                    customer=member.body,
                    invoices=_own_invoices(member, seen.id),
                    show_working=True,
                ),
            ),
        )
        for seen in member.subscriptions
    ]


def _own_invoices(member: Member, subscription: str) -> list[tuple[str, Invoice]]:
    return [
        (seen.id, seen.body) for seen in member.invoices if seen.body.subscription == subscription
    ]


def currencies(account: Account) -> set[str]:
    """Those of all subscriptions; without any subscription those of the customers and invoices."""
    if account.subscriptions:
        found = {_currency_of(seen.body) for seen in account.subscriptions}
    else:
        found = {member.body.currency for member in account.members if member.body is not None}
        found |= {seen.body.currency for member in account.members for seen in member.invoices}
    return {currency for currency in found if currency}


def shared_currency(account: Account) -> str | None:
    """The one currency of the account; None when it has none, or more than one."""
    found = currencies(account)
    return found.pop() if len(found) == 1 else None


def _currency_of(subscription: Subscription) -> str | None:
    prices = (item.price.currency for item in subscription.items)
    return subscription.currency or next(prices, None)
