"""Figures of a stream: what became of links, merges and late records; disturbed deliveries."""

import random
from collections.abc import Collection, Sequence
from pathlib import Path

from plumbline_domain.identity.decide import Decision
from plumbline_domain.identity.weights import shipped

from bench.identity import off_hubs, reproduced
from bench.identity_book import Row, rows
from bench.identity_stream import Stream, played

SEEDS = (1, 2, 3)
AGAIN = 0.33
"""Share of the events that come twice."""
DAYS = 3
"""How long Stripe goes on trying to deliver an event."""


def print_figures(folder: Path, events: Sequence[Row], stream: Stream) -> None:
    """A line a figure; shares of what is right only when the book has a truth_stream.csv."""
    _kept(stream)
    _merges(stream)
    truth = folder / "truth_stream.csv"
    if truth.exists():
        _against(rows(truth), events, stream)
    off_hubs(list(stream.made.values()))
    reproduced([*stream.made.values(), *stream.decisions.values()], shipped())
    for seed in SEEDS:
        _difference(f"redelivery, seed {seed}: a third comes again, anywhere later", stream,
                    played(folder, redelivered(events, seed)))  # fmt: skip
    for seed in SEEDS:
        _difference(f"reordering, seed {seed}: each up to {DAYS} days late", stream,
                    played(folder, delayed(events, seed)))  # fmt: skip
    _difference("for information: in any order whatever", stream, played(folder, shuffled(events)))


def redelivered(events: Sequence[Row], seed: int) -> list[Row]:
    """Some of the events again, each at a random later place."""
    rng = random.Random(seed)
    placed = [(float(n), event) for n, event in enumerate(events)]
    last = len(events)
    placed += [(rng.uniform(n, last), e) for n, e in enumerate(events) if rng.random() < AGAIN]
    return [event for _, event in sorted(placed, key=lambda pair: pair[0])]


def delayed(events: Sequence[Row], seed: int) -> list[Row]:
    """The events as they arrive when each is held up for up to DAYS."""
    rng = random.Random(seed)
    return sorted(events, key=lambda event: int(event["ts"]) + rng.uniform(0, DAYS * 86400))


def shuffled(events: Sequence[Row]) -> list[Row]:
    """In an order that no delivery has: some changes of years later come first."""
    return random.Random(1).sample(list(events), len(events))


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole}" + (f" ({100 * part / whole:.1f} %)" if whole else "")


def _now(stream: Stream, record: str) -> str:
    while record in stream.forwarded:
        record = stream.forwarded[record]
    return record


def _kept(stream: Stream) -> None:
    stood = {customer: _now(stream, record) for customer, record in stream.changed}
    kept = sum(stream.links.get(customer) == record for customer, record in stood.items())
    print(f"kept    {_share(kept, len(stood))} links that stood before their customer changed")


def _merges(stream: Stream) -> None:
    stale = sum(record in stream.forwarded for record in stream.links.values())
    print(f"merges  {_share(stream.followed, stream.followed + stale)} links followed")


def _against(truth: Sequence[Row], events: Sequence[Row], stream: Stream) -> None:
    right = {row["stripe_id"]: row["crm_ids"].split("|") for row in truth}
    known = [c for c, _ in dict(stream.changed).items()]
    good = sum(stream.links.get(c) in right[c] for c in known)
    print(f"        {_share(good, len(known))} of them are right: a wrong link is kept as well")
    late = {event["id"] for event in events if event["type"] == "crm.created"}
    late |= {_now(stream, record) for record in late}
    waited = [row["stripe_id"] for row in truth if _waited(row, late)]
    linked = sum(stream.links.get(customer) in right[customer] for customer in waited)
    print(f"late    {_share(linked, len(waited))} linked to a record that came after the others")


def _waited(row: Row, late: Collection[str]) -> bool:
    return row["expect"] == "link" and set(row["crm_ids"].split("|")) <= set(late)


def _difference(name: str, one: Stream, other: Stream) -> None:
    links = sum(
        one.links.get(customer) != other.links.get(customer)
        for customer in one.links.keys() | other.links.keys()
    )
    waiting = [found for customer, found in one.decisions.items() if customer not in one.links]
    asked = sum(_told(found) != _told(other.decisions.get(found.customer_id)) for found in waiting)
    print(f"{name}: {links} links differ, {asked} questions")


def _told(decision: Decision | None) -> object:
    """What a question shows: its outcome and its candidates, whatever their scores."""
    if decision is None:
        return None
    shown = decision.candidates if decision.outcome == "review" else ()
    return decision.outcome, tuple(candidate.record_id for candidate in shown)
