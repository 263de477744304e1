"""Folding the few objects that tell answers as folding all of them does."""

import random
from typing import Any

import pytest
from plumbline_domain.account import fold_account
from plumbline_domain.customer import Customer
from plumbline_domain.facts import invoice_facts, subscription_facts
from plumbline_domain.holdings import Holdings, hold, together
from plumbline_domain.reckoning import Beside
from plumbline_domain.shares import share_of
from plumbline_domain.sighting import Catalogue, Seen
from plumbline_domain.telling import Told

STATUSES = (
    "active", "active", "trialing", "canceled", "past_due", "paused", "unpaid", "incomplete",
    "incomplete_expired",
)  # fmt: skip


def subscription(make: Any, chance: random.Random, number: int) -> Any:
    changes: dict[str, Any] = {
        "status": chance.choice(STATUSES[: chance.randrange(1, len(STATUSES) + 1)]),
        "start_date": make.day(chance.randrange(-90, 5)),
    }
    if chance.random() < 0.2:
        changes["start_date"] = None
    if chance.random() < 0.2:
        changes["cancel_at"] = make.day(chance.randrange(0, 200))
    if chance.random() < 0.1:
        behavior = chance.choice(["void", "mark_uncollectible"])
        changes["pause_collection"] = {"behavior": behavior, "resumes_at": make.day(3)}
    if changes["status"] in {"canceled", "incomplete_expired"} and chance.random() < 0.8:
        changes["ended_at"] = make.day(-chance.randrange(1, 9))
    if changes["status"] == "paused":
        changes["paused_by_payment_failure"] = chance.random() < 0.2
    return make.subscription(f"sub_{number}", **changes)


def invoice(make: Any, chance: random.Random, number: int, owners: int) -> Any:
    return make.invoice(
        f"in_{number}",
        subscription=f"sub_{chance.randrange(owners)}" if chance.random() < 0.8 else None,
        status=chance.choice(["paid", "paid", "paid", "open", "uncollectible", "void", "draft"]),
        finalized_at=make.day(-chance.randrange(1, 60)),
        amount_paid=chance.choice([0, 100]),
        attempted=chance.random() < 0.5,
        due_date=make.day(chance.randrange(-9, 9)) if chance.random() < 0.4 else None,
        next_payment_attempt=make.day(2) if chance.random() < 0.4 else None,
        uncollectible_reason="user_forgiven" if chance.random() < 0.1 else None,
    )


def answers(make: Any, holdings: Holdings) -> Any:
    member: Customer = make.customer(holdings=holdings)
    return fold_account([member], Catalogue({}, {}), currency="eur", at=make.at)


@pytest.mark.parametrize("seed", range(150))
def test_few_answer_for_all(make: Any, seed: int) -> None:
    chance = random.Random(seed)
    count = chance.randrange(10, 60)
    subscriptions = [subscription(make, chance, number) for number in range(count)]
    invoices = [invoice(make, chance, number, count) for number in range(chance.randrange(0, 60))]
    beside = Beside("eur", make.at)
    shares = [share_of(seen.id, seen.body, beside) for seen in subscriptions]
    summed = hold(subscriptions, shares, invoices, at=make.at)
    whole = summed._replace(told=Told(tuple(subscriptions), tuple(invoices)))
    expected = answers(make, whole)
    assert answers(make, summed) == expected

    parts = chance.randrange(2, 6)
    places = [chance.randrange(parts) for _ in subscriptions]
    piles: list[Any] = [([], [], []) for _ in range(parts)]
    for place, seen, share in zip(places, subscriptions, shares, strict=True):
        piles[place][0].append(Seen(seen.key, subscription_facts(seen.body), seen.sighting))
        piles[place][1].append(share)
    for seen in invoices:
        owner = seen.body.subscription
        place = chance.randrange(parts) if owner is None else places[int(owner[4:])]
        piles[place][2].append(Seen(seen.key, invoice_facts(seen.body), seen.sighting))
    apart = together([hold(*pile, at=make.at) for pile in piles], at=make.at)
    assert answers(make, apart) == expected
