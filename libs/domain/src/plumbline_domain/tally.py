"""What is counted and dated over a customer's objects, beside the MRR (billing.md, tenure, others).

Sums, earliest and latest instants and small sets: tallies of parts put together are the tally of
the whole, so that a change in a large customer counts few objects again (design 6).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any, Final, NamedTuple

from plumbline_schemas.billing import Subscription

from plumbline_domain.facts import (
    CardFacts,
    GivenBack,
    InvoiceFacts,
    Share,
    SubscriptionFacts,
    invoice_facts,
    subscription_facts,
)
from plumbline_domain.sighting import SeenBeside, SeenInvoice, SeenSubscription, Sighting
from plumbline_domain.subscriptions import live

_ZERO: Final = Fraction(0)
RENEWING: Final = frozenset({"active", "past_due"})
"""A subscription in one of these will be billed again when its period ends."""


class Dated(NamedTuple):
    """An instant and the object that says so."""

    at: datetime
    by: Sighting


class Card(NamedTuple):
    """A card by its vendor id, and when it expires."""

    facts: CardFacts
    by: Sighting


class Tally(NamedTuple):
    """Any number of objects at one instant; amounts in minor units, exact."""

    own: tuple[tuple[str, Fraction], ...] = ()
    """MRR by the subscriptions' own currencies, ordered; none of zero."""
    ending: Fraction = _ZERO
    """MRR, in the reported currency, of subscriptions with a planned cancellation."""
    planned: Dated | None = None
    """The earliest planned cancellation of a live subscription."""
    renewal: Dated | None = None
    """The earliest end of a billing period of a live subscription."""
    renewing: Dated | None = None
    """The earliest that is ahead and will be billed again."""
    trial: Dated | None = None
    """The earliest end of a trial that is ahead."""
    intervals: frozenset[str] = frozenset()
    discounts: frozenset[str] = frozenset()
    """In words; an empty one is not known."""
    methods: frozenset[str] = frozenset()
    """Default payment methods of live subscriptions; an empty one for those that name none."""
    cards: tuple[Card, ...] = ()
    """Ordered by vendor id."""
    attempts: int = 0
    """To collect the invoices that are open."""
    attempted: Sighting | None = None
    """The newest of those invoices."""
    paid: tuple[tuple[str, int], ...] = ()
    """Paid, less what was given back, by currency, ordered."""
    moneyed: Sighting | None = None
    """The newest object that counts in `paid`."""
    first_paid: Dated | None = None
    last_paid: Dated | None = None


NOTHING_COUNTED: Final = Tally()


def tally(
    subscriptions: Sequence[SeenSubscription],
    shares: Iterable[Share],
    invoices: Sequence[SeenInvoice],
    beside: Sequence[SeenBeside],
    *,
    at: datetime,
) -> Tally:
    """Count objects at the instant `at`; each of the shares is its subscription's."""
    parts = [_of_share(share) for share in shares if share.own]
    for seen, share in zip(subscriptions, shares, strict=True):
        if live(seen.body, at):
            parts.append(_of_subscription(seen, share, at))
    for owed in invoices:
        part = _of_invoice(owed)
        if part is not None:
            parts.append(part)
    parts += [_of_beside(one) for one in beside]
    return counted_together(parts)


def history_of(found: Tally) -> Tally:
    """What is left of a customer that was deleted: what it paid."""
    return Tally(
        paid=found.paid,
        moneyed=found.moneyed,
        first_paid=found.first_paid,
        last_paid=found.last_paid,
    )


def planned_end(body: SubscriptionFacts) -> datetime | None:
    """When a subscription was asked to end: its `cancel_at`, else with its billing period."""
    if body.cancel_at is not None or not body.cancel_at_period_end:
        return body.cancel_at
    return body.renews_at


def _of_share(share: Share) -> Tally:
    return Tally(own=((share.own_currency, share.own),))


def _of_subscription(seen: SeenSubscription, share: Share, at: datetime) -> Tally:
    body, by = _facts(seen.body), seen.sighting
    ends, renewal = planned_end(body), body.renews_at
    renews = (
        renewal is not None
        and renewal > at
        and body.status in RENEWING
        and not body.often
        and (ends is None or ends > renewal)
    )
    in_trial = body.status == "trialing" and body.trial_end is not None and body.trial_end > at
    return Tally(
        ending=_ZERO if ends is None else share.amount,
        planned=_dated(ends, by),
        renewal=_dated(renewal, by),
        renewing=_dated(renewal, by) if renews else None,
        trial=_dated(body.trial_end, by) if in_trial else None,
        intervals=frozenset(body.intervals),
        discounts=frozenset(share.discounts),
        methods=frozenset([body.method or ""]),
    )


def _facts(body: Any) -> SubscriptionFacts:
    if isinstance(body, Subscription):
        return subscription_facts(body)
    found: SubscriptionFacts = body
    return found


def _dated(at: datetime | None, by: Sighting) -> Dated | None:
    return None if at is None else Dated(at, by)


def _of_invoice(seen: SeenInvoice) -> Tally | None:
    body, by = seen.body, seen.sighting
    if body.status == "open":
        return Tally(attempts=body.attempt_count, attempted=by) if body.attempt_count else None
    if body.status != "paid" or body.amount_paid <= 0:
        return None
    facts = body if isinstance(body, InvoiceFacts) else invoice_facts(body)
    when = facts.paid_at or facts.finalized_at or facts.created or by.vendor_time
    paid = (((facts.currency or "").lower(), facts.amount_paid),)
    return Tally(paid=paid, moneyed=by, first_paid=Dated(when, by), last_paid=Dated(when, by))


def _of_beside(seen: SeenBeside) -> Tally:
    body, by = seen.body, seen.sighting
    if isinstance(body, GivenBack):
        return Tally(paid=(((body.currency or "").lower(), -body.minor),), moneyed=by)
    return Tally(cards=(Card(body, by),))


def counted_together(parts: Sequence[Tally]) -> Tally:
    """Put tallies of one instant together."""
    if not parts:
        return NOTHING_COUNTED
    if len(parts) == 1:
        return parts[0]
    return Tally(
        own=_sums(part.own for part in parts),
        ending=sum((part.ending for part in parts if part.ending), _ZERO),
        planned=_first(part.planned for part in parts),
        renewal=_first(part.renewal for part in parts),
        renewing=_first(part.renewing for part in parts),
        trial=_first(part.trial for part in parts),
        intervals=frozenset().union(*(part.intervals for part in parts)),
        discounts=frozenset().union(*(part.discounts for part in parts)),
        methods=frozenset().union(*(part.methods for part in parts)),
        cards=tuple(sorted((one for part in parts for one in part.cards), key=_card_id)),
        attempts=sum(part.attempts for part in parts),
        attempted=_newest(part.attempted for part in parts),
        paid=_sums(part.paid for part in parts),
        moneyed=_newest(part.moneyed for part in parts),
        first_paid=_first(part.first_paid for part in parts),
        last_paid=_last(part.last_paid for part in parts),
    )


def _sums(parts: Iterable[tuple[tuple[str, Any], ...]]) -> tuple[tuple[str, Any], ...]:
    total: dict[str, Any] = {}
    for part in parts:
        for currency, amount in part:
            total[currency] = total[currency] + amount if currency in total else amount
    return tuple(sorted((currency, amount) for currency, amount in total.items() if amount))


def _card_id(card: Card) -> str:
    return card.by.vendor_id


def _first(found: Iterable[Dated | None]) -> Dated | None:
    return min((one for one in found if one is not None), key=_when, default=None)


def _last(found: Iterable[Dated | None]) -> Dated | None:
    return max((one for one in found if one is not None), key=_when, default=None)


def _when(one: Dated) -> tuple[datetime, str]:
    return (one.at, one.by.vendor_id)


def _newest(found: Iterable[Sighting | None]) -> Sighting | None:
    return max((one for one in found if one is not None), key=lambda one: one.age, default=None)
