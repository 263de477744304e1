"""The fit of the weights has no randomness, and signs stay what a piece can mean."""

import itertools
import json
import math
import random
from pathlib import Path

import pytest
from plumbline_domain.identity.weights import probability, shipped, total

from bench.identity import build, decide_all
from bench.identity_book import read_book
from bench.identity_fitting import Pair, bounds, fit, table
from bench.identity_trouble import save
from bench.identity_worlds import generate

CODES = ("domain.owners1", "domain.other", "name.same1", "name.clash", "country.same")


def customers(seed: int) -> list[list[Pair]]:
    """Candidates of customers, three each, most of them judged by domain and name."""
    known = pairs(seed)
    return [known[n : n + 3] for n in range(0, len(known), 3)]


def pairs(seed: int) -> list[Pair]:
    """Labelled pairs in which a shared domain and name mostly mean one company."""
    rng = random.Random(seed)
    found = []
    for _ in range(400):
        codes = tuple(code for code in CODES if rng.random() < 0.4)
        sure = ("domain.owners1" in codes) + ("name.same1" in codes) - ("name.clash" in codes)
        found.append(Pair(codes, rng.random() < (0.05, 0.5, 0.95)[max(0, sure)]))
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_same_pairs_in_any_order_give_the_same_weights(seed: int) -> None:
    known = customers(seed)
    first = table(*fit(known))
    random.Random(seed).shuffle(known)
    turned = [[Pair(tuple(reversed(p.codes)), p.right) for p in reversed(some)] for some in known]
    assert table(*fit(turned)) == first
    assert first[1]["domain.owners1"] > 0


@pytest.mark.parametrize("seed", [1, 2])
def test_signs_are_bounded_whatever_a_sample_says(seed: int) -> None:
    odd = [[Pair(p.codes, not p.right) for p in some] for some in customers(seed)]
    for code, weight in table(*fit(odd))[1].items():
        low, high = bounds(code)
        assert low <= weight <= high


def test_a_seed_makes_the_same_book_and_another_seed_another() -> None:
    one, again, other = (generate(seed, 120, None) for seed in (1, 1, 2))
    assert (one.records, one.customers, one.truth) == (again.records, again.customers, again.truth)
    assert one.records != other.records
    ids = [row["crm_id"] for row in one.records]
    assert len(set(ids)) == len(ids)
    named = set(itertools.chain.from_iterable(row["crm_ids"].split("|") for row in one.truth))
    assert named - {""} <= set(ids)


@pytest.mark.parametrize("seed", [1, 2])
def test_every_score_reproduces_from_its_stored_evidence(seed: int, tmp_path: Path) -> None:
    """As a history keeps it: codes, values and weights as text, and the version of the weights."""
    save(generate(seed, 150, None), tmp_path)  # type: ignore[arg-type]
    index, customers = build(read_book(tmp_path))
    decisions, _ = decide_all(index, customers, shipped())
    candidates = [found for decision in decisions for found in decision.candidates]
    assert len(candidates) > 100
    for found in candidates:
        kept = json.loads(json.dumps([tuple(piece) for piece in found.evidence]))
        assert found.score == total(shipped(), (code for code, *_ in kept))
        assert found.score == shipped().bias + sum(weight for *_, weight in kept)
        assert found.probability == probability(found.score)


def test_candidates_compete_for_a_customer() -> None:
    """One right among two equal candidates says as much for the evidence as one that stands alone
    and is right; as independent pairs it would say half."""
    shared = ("name.shortened",)
    alone = [[Pair(shared, right=True)]] * 30 + [[Pair(shared, right=False)]] * 10
    two = [[Pair(shared, right=True), Pair(shared, right=False)]] * 30
    two += [[Pair(shared, right=False)] * 2] * 10
    bias, weights = fit(alone)
    assert 1.0 / (1.0 + math.exp(-bias - weights["name.shortened"])) == pytest.approx(
        0.75, abs=0.02
    )
    bias, weights = fit(two)
    odds = 2 * math.exp(bias + weights["name.shortened"])
    assert odds / (1 + odds) == pytest.approx(0.75, abs=0.02)
