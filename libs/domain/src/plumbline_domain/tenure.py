"""Fields beside MRR, plan and health (billing.md, "Plan, tenure, others"): each with its source.

Several customers of one account are taken as one (design 9). A deleted customer keeps what it paid;
it renews, owes and plans nothing any more.
"""

from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction
from typing import Final, get_args

from plumbline_schemas.accounts import SubscriptionStatus
from plumbline_schemas.money import Money

from plumbline_domain.conversion import Conversion
from plumbline_domain.customer import Customer
from plumbline_domain.discount_terms import in_one_line
from plumbline_domain.instants import instant_text
from plumbline_domain.money import to_minor
from plumbline_domain.sighting import SeenSubscription
from plumbline_domain.subscriptions import ended_last, live, start_of, started
from plumbline_domain.tally import Card, Dated, Tally, counted_together
from plumbline_domain.valued import Valued

_WORST_FIRST: Final[tuple[str, ...]] = get_args(SubscriptionStatus)


def tenure(
    members: Sequence[Customer],
    *,
    reported: Valued,
    beside: Conversion,
) -> tuple[dict[str, Valued], set[str]]:
    """The fields that come from the members' tallies, and what is missing for them.

    `reported` is the account's MRR as far as it is known: `mrr_ending` is a part of it, and is kept
    whenever it is.
    """
    found = counted_together([member.holdings.tally for member in members])
    value, missing = ltv(found, beside)
    return {
        "next_renewal_at": dated("next_renewal_at.earliest_period_end", found.renewal),
        "billing_interval": billing_interval(found),
        "discount": discount(found),
        "failed_payment_count": Valued(
            found.attempts, "failed_payment_count.open_invoices", found.attempted
        ),
        "last_payment_at": dated("last_payment_at.latest_paid", found.last_paid),
        "ltv": value,
        "payment_method_expires_at": dated(
            "payment_method_expires_at.default_card", default_card(members)
        ),
        "planned_cancellation_at": dated("planned_cancellation_at.earliest", found.planned),
        "mrr_ending": mrr_ending(found, reported),
    }, missing


def dated(rule: str, found: Dated | None) -> Valued:
    """An instant with the object that says so; unknown without one."""
    if found is None:
        return Valued(None, rule)
    return Valued(instant_text(found.at), rule, found.by)


def started_at(subscriptions: Sequence[SeenSubscription]) -> Dated | None:
    """Earliest `start_date` of any subscription, else its `created`."""
    known = [seen for seen in subscriptions if seen.body.start_date or seen.body.created]
    if not known:
        return None
    first = min(known, key=start_of)
    return Dated(start_of(first)[0], first.sighting)


def billing_started_at(subscriptions: Sequence[SeenSubscription]) -> Valued:
    """Earliest `subscription.start_date`."""
    found = started_at(subscriptions)
    if found is None:
        return Valued(None, "billing_started_at.no_subscription")
    return dated("billing_started_at.earliest_start", found)


def dates(members: Sequence[Customer], *, at: datetime) -> dict[str, Valued]:
    """The fields that come from the subscriptions as such."""
    subscriptions = [seen for member in members for seen in member.subscriptions]
    paid = counted_together([member.holdings.tally for member in members]).first_paid
    return {
        "billing_started_at": billing_started_at(subscriptions),
        "subscription_status": subscription_status(subscriptions, at=at),
        "days_to_first_payment": days_to_first_payment(members, paid),
    }


def days_to_first_payment(members: Sequence[Customer], first_paid: Dated | None) -> Valued:
    """Whole days from when the first customer was made to the first invoice paid above zero.

    Where no customer says, from the earliest start of a subscription. Never below 0: a start may
    be backdated.
    """
    rule = "days_to_first_payment.created_to_first_paid"
    made = [one.body.created for one in members if one.body is not None and one.body.created]
    begun = min(made, default=None)
    if begun is None:
        start = started_at([seen for member in members for seen in member.subscriptions])
        begun = None if start is None else start.at
    if begun is None or first_paid is None:
        return Valued(None, rule)
    return Valued(max(0, (first_paid.at - begun).days), rule, first_paid.by)


def subscription_status(subscriptions: Sequence[SeenSubscription], *, at: datetime) -> Valued:
    """The worst `status` of the live ones; with none live, of the one that ended last.

    A status that the vendor has never had is left out.
    """
    known = [
        seen
        for seen in subscriptions
        if started(seen.body, at) and seen.body.status in _WORST_FIRST
    ]
    living = [seen for seen in known if live(seen.body, at)]
    if living:
        worst = min(living, key=lambda seen: (_WORST_FIRST.index(seen.body.status), start_of(seen)))
        return Valued(worst.body.status, "subscription_status.worst_live", worst.sighting)
    if known:
        last = ended_last(known)
        return Valued(last.body.status, "subscription_status.ended_last", last.sighting)
    return Valued(None, "subscription_status.no_subscription")


def billing_interval(found: Tally) -> Valued:
    """How often the items of live subscriptions bill; `mixed` when they differ."""
    words = sorted(found.intervals)
    if not words:
        return Valued(None, "billing_interval.none_live")
    by = None if found.renewal is None else found.renewal.by
    value = words[0] if len(words) == 1 else "mixed"
    return Valued(value, "billing_interval.live_items", by)


def discount(found: Tally) -> Valued:
    """The discounts in effect of live subscriptions; kept while one of them is not known."""
    if "" in found.discounts:
        return Valued(None, "discount_words.incomplete", keep=True)
    by = None if found.renewal is None else found.renewal.by
    return Valued(in_one_line(found.discounts), "discount_words.in_effect", by)


def ltv(found: Tally, beside: Conversion) -> tuple[Valued, set[str]]:
    """`amount_paid` of paid invoices, less refunds of charges and other credit after payment.

    Each currency's sum is converted at the rate of the day; without one the last value is kept.
    """
    if beside.currency is None:
        return Valued(None, "ltv.incomplete", found.moneyed, keep=True), {"config"}
    total, missing = Fraction(0), set[str]()
    for code, minor in found.paid:
        amount = beside.converted(Fraction(minor), code)
        if amount is None:
            missing.add(f"rate:{code.upper() or 'UNKNOWN'}")
        else:
            total += amount
    if missing:
        return Valued(None, "ltv.incomplete", found.moneyed, keep=True), missing
    money = Money(minor=to_minor(total), currency=beside.currency)
    rule = "ltv.paid_less_refunds_and_credit" if found.moneyed else "ltv.nothing_paid"
    return Valued(money, rule, found.moneyed), missing


def mrr_ending(found: Tally, reported: Valued) -> Valued:
    """The exact shares of subscriptions with a planned cancellation, rounded once."""
    by = None if found.planned is None else found.planned.by
    mrr = reported.value
    if reported.keep or not isinstance(mrr, Money):
        return Valued(None, "mrr_ending.incomplete", by, keep=True)
    money = Money(minor=to_minor(found.ending), currency=mrr.currency)
    rule = "mrr_ending.none" if by is None else "mrr_ending.planned_cancellations"
    return Valued(money, rule, by)


def default_card(members: Sequence[Customer]) -> Dated | None:
    """The earliest end of a card's last month, of the methods that are charged by default.

    A subscription's own method, else its customer's, else the customer's card attached last; a
    customer without a live subscription counts with the latter two.
    """
    found = [_expiry(card) for member in members for card in _charged(member)]
    return min(found, key=lambda one: (one.at, one.by.vendor_id), default=None)


def charged_by_default(member: Customer) -> frozenset[str]:
    """Vendor ids of the methods that its live subscriptions and it itself name as their own."""
    named = member.holdings.tally.methods
    own = None if member.body is None else member.body.default_payment_method
    return frozenset(name for name in {*named, own or ""} if name)


def _charged(member: Customer) -> list[Card]:
    cards = {card.by.vendor_id: card for card in member.holdings.tally.cards}
    named = member.holdings.tally.methods or frozenset([""])
    fallback = None if member.body is None else member.body.default_payment_method
    if fallback is None and cards:
        fallback = max(cards.values(), key=_attached).by.vendor_id
    wanted = {name or fallback for name in named}
    return [cards[name] for name in sorted(name for name in wanted if name) if name in cards]


def _attached(card: Card) -> tuple[float, str]:
    created = card.facts.created
    return (0.0 if created is None else created.timestamp(), card.by.vendor_id)


def _expiry(card: Card) -> Dated:
    return Dated(card.facts.expires_at, card.by)


def references(members: Sequence[Customer], *, unsure_match: bool) -> dict[str, Valued]:
    """Ids sorted and joined; the link opens the first of them; whether it is all one's."""
    by_id = sorted(members, key=lambda member: (member.id, member.key))
    first = by_id[0]
    seen = [one for member in members for one in (member.sighting, member.deletion)]
    newest = max((one for one in seen if one is not None), key=lambda one: one.age, default=None)
    mode = "/test" if first.test_mode else ""
    url = f"https://dashboard.stripe.com{mode}/customers/{first.id}"
    ids = ";".join(member.id for member in by_id)
    several, rule = len(members) > 1, "ambiguous.no"
    if several or unsure_match:
        rule = "ambiguous.several_customers" if several else "ambiguous.several_records"
    return {
        "stripe_customer_id": Valued(ids, "stripe_customer_id.all", newest),
        "stripe_url": Valued(url, "stripe_url.first", first.sighting or newest),
        "ambiguous": Valued(several or unsure_match, rule, newest),
    }
