"""`expanded` against its baseline, risks that are switched off, and reminders (billing.md)."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from plumbline_domain.account import fold_account
from plumbline_domain.baselines import History, above
from plumbline_domain.conversion import Conversion
from plumbline_domain.lifecycle import Triggers
from plumbline_domain.rates import Rates
from plumbline_domain.sighting import Catalogue, Seen
from plumbline_schemas.billing import PaymentMethod

RATES = Rates.of({date(2026, 6, 1): {"USD": Decimal("1.25")}})


def fold(make: Any, *members: Any, **facts: Any) -> Any:
    plain = {"currency": "eur", "at": make.at, **facts}
    return fold_account(members, Catalogue({}, {}), **plain)


def paying(make: Any, amount: int, currency: str = "eur", **changes: Any) -> Any:
    item = make.item(lookup_key="plan", unit_amount=str(amount), currency=currency)
    seen = make.subscription(items=[item], currency=currency, **changes)
    return make.customer(subscriptions=(seen,), invoices=(make.invoice(),))


def test_expanded_and_back(make: Any) -> None:
    first = fold(make, paying(make, 10000))
    assert first.stage == "paying"
    assert first.baselines == {"acme/stripe/customer/cus_1": {"eur": Fraction(10000)}}
    history = History(first.baselines)
    grown = fold(make, paying(make, 12000), history=history)
    assert (grown.stage, grown.state, grown.baselines) == ("expanded", "active", first.baselines)
    assert fold(make, paying(make, 10000), history=history).stage == "paying"
    risky = fold(make, paying(make, 12000, cancel_at_period_end=True), history=history)
    assert risky.stage == "at_risk"
    churned = fold(make, paying(make, 12000, status="canceled"), history=history)
    assert (churned.stage, churned.baselines) == ("churned", first.baselines)


def test_nobody_who_has_not_paid_has_a_baseline(make: Any) -> None:
    trial = fold(make, paying(make, 10000, status="trialing"))
    unpaid = make.customer(subscriptions=(make.subscription(),))
    assert (trial.baselines, fold(make, unpaid).baselines) == ({}, {})
    assert fold(make, paying(make, 10000, status="past_due")).baselines != {}


def test_until_the_book_is_whole_a_baseline_is_only_the_latest_look(make: Any) -> None:
    before = History({"acme/stripe/customer/cus_1": {"eur": Fraction(1)}}, whole_book=False)
    assert fold(make, paying(make, 500), history=before).stage == "paying"


def at_time(make: Any, amount: int, day: float, *, paid: float | None = None) -> Any:
    """A customer whose subscription says so on that day, and whose first payment was when."""
    item = make.item(lookup_key="plan", unit_amount=str(amount))
    seen = make.subscription(items=[item])
    seen = replace(seen, sighting=make.sighting("sub_1", at=make.day(day)))
    invoices = () if paid is None else (make.invoice(paid_at=make.day(paid)),)
    return make.customer(subscriptions=(seen,), invoices=invoices)


def after(make: Any, *members: Any) -> Any:
    """Folded one after the other, each with the history of those before."""
    found = fold(make, members[0])
    for member in members[1:]:
        history = History(found.baselines, trails=found.trails, expanded=found.stage == "expanded")
        found = fold(make, member, history=history)
    return found


def test_a_first_payment_told_of_late_is_measured_where_it_was_made(make: Any) -> None:
    upgraded = at_time(make, 150, -5, paid=-9)
    in_order = after(make, at_time(make, 100, -10), at_time(make, 100, -10, paid=-9), upgraded)
    late = after(make, at_time(make, 100, -10), at_time(make, 150, -5), upgraded)
    assert late.stage == in_order.stage == "expanded"
    assert late.baselines == in_order.baselines
    [before] = in_order.baselines.values()
    assert before == {"eur": Fraction(100)}
    paid_after = after(make, at_time(make, 100, -10), at_time(make, 150, -5, paid=-4))
    assert paid_after.stage == "paying"


def test_an_earlier_payment_takes_the_baseline_back(make: Any) -> None:
    steps = [at_time(make, 100, -10), at_time(make, 150, -5)]
    found = after(make, *steps, at_time(make, 150, -5, paid=-4), at_time(make, 150, -5, paid=-9))
    assert found.stage == "expanded"


def test_a_trail_ends_with_the_first_payment_and_is_never_long(make: Any) -> None:
    many = [at_time(make, n, n - 50) for n in range(1, 30)]
    found = after(
        make, *many, at_time(make, 29, -21, paid=-25.5), at_time(make, 99, -1, paid=-25.5)
    )
    [trail] = found.trails.values()
    assert [int(step.mrr["eur"]) for step in trail] == list(range(20, 30))
    [before] = found.baselines.values()
    assert before == {"eur": Fraction(24)}


def test_a_baseline_of_before_there_were_trails_stands(make: Any) -> None:
    old = History({"acme/stripe/customer/cus_1": {"eur": Fraction(7)}})
    assert fold(make, at_time(make, 100, -10, paid=-9), history=old).baselines == old.baselines


def test_a_rate_alone_expands_nothing(make: Any) -> None:
    """The same in its own currency, whatever it is worth; nothing is said without a rate."""
    day = Conversion("eur", make.at.date(), RATES)
    dollars = {"usd": Fraction(1000)}
    assert not above(dollars, dollars, Conversion("eur", make.at.date()))
    assert above({"usd": Fraction(1001)}, dollars, Conversion("eur", make.at.date()))
    assert above({"eur": Fraction(801)}, dollars, day)
    assert not above({"eur": Fraction(800)}, dollars, day)
    assert not above({"eur": Fraction(900)}, dollars, Conversion("eur", make.at.date()))


def test_while_the_mrr_is_not_known_it_stays_what_it_was(make: Any) -> None:
    base = {"acme/stripe/customer/cus_1": {"usd": Fraction(1)}}
    unknown = paying(make, 500, discounts=("di_1",))
    assert fold(make, unknown, history=History(base, expanded=True)).stage == "expanded"
    assert fold(make, unknown, history=History(base)).stage == "paying"


def test_triggers_of_at_risk_are_switched(make: Any) -> None:
    ending = paying(make, 100, cancel_at_period_end=True)
    failing = paying(make, 100, status="past_due")
    assert fold(make, ending).stage == fold(make, failing).stage == "at_risk"
    assert fold(make, ending, triggers=Triggers(planned_cancellation=False)).stage == "paying"
    assert fold(make, failing, triggers=Triggers(planned_cancellation=False)).stage == "at_risk"
    assert fold(make, failing, triggers=Triggers(payment_trouble=False)).stage == "paying"


def renewing(make: Any, days: float, **changes: Any) -> Any:
    item = make.item(lookup_key="plan", interval=changes.pop("interval", "month"))
    item["current_period_end"] = make.day(days)
    return make.customer(subscriptions=(make.subscription(items=[item], **changes),))


def near(make: Any, member: Any) -> list[str]:
    return sorted(fold(make, member).near)


def test_a_renewal_is_near_a_week_ahead(make: Any) -> None:
    ahead = fold(make, renewing(make, 8))
    assert (ahead.near, ahead.due_at) == ({}, make.day(1))
    found = fold(make, renewing(make, 7)).near["account.renewal_approaching"]
    assert (found.at, found.subject) == (make.day(7), "acme/stripe/subscription/sub_1")
    assert near(make, renewing(make, 0)) == []
    assert near(make, renewing(make, 5, cancel_at_period_end=True)) == []
    assert near(make, renewing(make, 5, interval="week")) == []
    assert near(make, renewing(make, 5, status="paused")) == []


def test_a_trial_ends_soon_three_days_ahead(make: Any) -> None:
    ending = renewing(make, 4, status="trialing", trial_end=make.day(4))
    folded = fold(make, ending)
    assert (folded.near, folded.due_at) == ({}, make.day(1))
    soon = renewing(make, 3, status="trialing", trial_end=make.day(3))
    assert near(make, soon) == ["account.trial_ending"]


def test_a_card_expires_soon_thirty_days_ahead(make: Any) -> None:
    from plumbline_domain.facts import card_facts

    facts = card_facts(PaymentMethod(exp_month=6, exp_year=2026))
    cards = (Seen("acme/stripe/payment_method/pm_1", facts, make.sighting("pm_1")),)
    live = make.customer(subscriptions=(make.subscription(),), beside=cards)
    assert near(make, live) == ["account.card_expiring"]
    assert fold(make, live).near["account.card_expiring"].subject == live.key
    assert near(make, make.customer(beside=cards)) == []
