"""How an account's MRR comes about, from what is stored, in the words of `mrr explain`."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from plumbline_domain.money import to_minor
from plumbline_domain.policies import Policy, policy_of
from plumbline_domain.scope import within
from plumbline_domain.sighting import Seen
from plumbline_schemas.billing import BillingCustomer, Invoice, Subscription
from plumbline_schemas.ids import ExternalKey, split_key
from plumbline_schemas.internal import ConnectionScope
from plumbline_schemas.money import Money

from console.explain.account import Account, Member
from console.explain.amounts import amount
from console.explain.answer import Answer, Question, ask
from console.explain.show import answer_text
from console.working.stored import Stored, StoredObject


def mrr_text(stored: Stored) -> Iterator[str]:
    """The lines: each billing customer's subscriptions, and what they come to together."""
    policy = _policy(stored)
    if policy is None:
        yield "the configuration in the log names a policy that this version does not know"
        return
    question = Question(policy, stored.rates, stored.at)
    answers = [_answer(stored, customer, question) for customer in _counted(stored)]
    for place, answer in enumerate(answers):
        if place:
            yield ""
        yield from answer_text(answer, compare=False)
    yield from _together(stored, answers)


def _policy(stored: Stored) -> Policy | None:
    try:
        return policy_of(stored.config.mrr)
    except ValueError:
        return None


def _counted(stored: Stored) -> list[ExternalKey]:
    """Test mode stands beside live for itself and is not counted."""
    left_out = {share.customer for share in stored.state.shares if not share.counted}
    return [key for key in stored.customers if key not in left_out]


def _answer(stored: Stored, customer: ExternalKey, question: Question) -> Answer:
    connection = split_key(customer).connection
    account = Account((_member(stored, customer),), stored.book(connection))
    name = f"billing customer {split_key(customer).vendor_id} of {connection}"
    return replace(ask(name, account, question, stored.currency), standing=None)


def _member(stored: Stored, customer: ExternalKey) -> Member:
    own = next((one for one in stored.objects if one.key == customer), None)
    scope = _scope(stored, split_key(customer).connection)
    subscriptions = [_subscription(one, scope) for one in stored.of(customer, "subscription")]
    invoices = [
        Seen(one.key, body, one.sighting)
        for one in stored.of(customer, "invoice")
        if not one.deleted and (body := one.read(Invoice)) is not None
    ]
    return Member(
        key=customer,
        body=None if own is None else own.read(BillingCustomer),
        deletion=own.sighting if own is not None and own.deleted else None,
        subscriptions=tuple(one for one in subscriptions if one is not None),
        invoices=tuple(invoices),
    )


def _scope(stored: Stored, connection: str) -> ConnectionScope:
    named = (one.scope for one in stored.config.connections if one.name == connection)
    return next(named, ConnectionScope())


def _subscription(one: StoredObject, scope: ConnectionScope) -> Seen[Subscription] | None:
    """Its items in scope; a deleted one is over."""
    body = one.read(Subscription)
    body = None if body is None else within(body, scope)
    if body is None:
        return None
    if one.deleted and body.ended_at is None:
        body = body.model_copy(update={"status": "canceled", "ended_at": one.told_at})
    return Seen(one.key, body, one.sighting)


def _together(stored: Stored, answers: list[Answer]) -> Iterator[str]:
    """The sum of several customers, and whether the account shows what the working comes to."""
    parts = [answer.exact for answer in answers]
    exact = sum((part for part in parts if part is not None), Fraction(0))
    if len(answers) > 1:
        yield ""
        yield f"together {amount(Fraction(to_minor(exact)), stored.currency)}"
    field = stored.state.fields.get("mrr")
    shown = None if field is None else field.value
    if not isinstance(shown, Money):
        return
    told = amount(Fraction(shown.minor), shown.currency)
    if None in parts:
        yield f"the account keeps {told} until nothing is missing"
    elif shown.minor != to_minor(exact):
        yield f"the account shows {told}: it is about to change"
