"""Weights from labelled customers: which candidate, or none, by a conditional logit.

A customer is one of its candidates or no record at all, with odds e^score to e^0; so candidates
compete, as they do when a person chooses. Monotone by sign, coordinate by coordinate, without
randomness or clock: the same customers in any order give the same table.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

FREE = (-math.inf, math.inf)
RIDGE = 0.2
ROUNDS = 150
RESTATED = 10
"""Rounds after which the odds are worked out anew, so that no rounding adds up."""

STILL = 0.0002
"""Nats; when no weight moves further in a round, the fit has ended."""

POSITIVE: tuple[str, ...] = (
    "email.",
    "domain.owners",
    "domain.named",
    "domain.contact",
    "label.",
    "local.",
    "contact.",
    "phone.",
)
NEGATIVE: tuple[str, ...] = (
    "domain.elsewhere",
    "domain.other",
    "domain.hub",
    "name.clash",
    "city.other",
)
NEGATIVE += ("country.other", "form.other")


@dataclass(frozen=True, slots=True)
class Pair:
    """The codes of a pair's evidence and whether the pair is one company."""

    codes: tuple[str, ...]
    right: bool


class _Choices:
    """Customers with equal candidates counted once; odds of every row kept up to date."""

    def __init__(self, customers: Iterable[Sequence[Pair]]) -> None:
        counted = Counter(
            tuple(sorted((tuple(sorted(pair.codes)), pair.right) for pair in pairs))
            for pairs in customers
            if pairs
        )
        groups = sorted(counted.items())
        self.counts = [count for _, count in groups]
        self.codes = [codes for rows, _ in groups for codes, _ in rows]
        self.right = [right for rows, _ in groups for _, right in rows]
        self.group = [n for n, (rows, _) in enumerate(groups) for _ in rows]
        self.any_right = [any(right for _, right in rows) for rows, _ in groups]
        self.columns: dict[str, list[int]] = {"": list(range(len(self.codes)))}
        for row, codes in enumerate(self.codes):
            for code in codes:
                self.columns.setdefault(code, []).append(row)
        self.odds: list[float] = []
        self.whole: list[float] = []
        self.hit: list[float] = []

    def restate(self, weights: Mapping[str, float]) -> None:
        """Odds from the weights; `""` is the bias."""
        self.odds = [
            math.exp(min(30.0, weights[""] + sum(weights[code] for code in codes)))
            for codes in self.codes
        ]
        self.whole = [1.0] * len(self.counts)
        self.hit = [0.0] * len(self.counts)
        for row, odds in enumerate(self.odds):
            self.whole[self.group[row]] += odds
            self.hit[self.group[row]] += odds * self.right[row]

    def step(self, code: str, weight: float, ridge: float) -> float:
        """A bounded Newton step of one weight; the odds follow."""
        mine: dict[int, list[float]] = {}
        for row in self.columns[code]:
            told = mine.setdefault(self.group[row], [0.0, 0.0])
            told[0] += self.odds[row]
            told[1] += self.odds[row] * self.right[row]
        gradient, curve = -ridge * weight, ridge + 1e-9
        for group, (every, hit) in mine.items():
            count, share = self.counts[group], every / self.whole[group]
            wanted = hit / self.hit[group] if self.any_right[group] else 0.0
            gradient += count * (wanted - share)
            curve += count * max(share * (1.0 - share), 0.002)
        low, high = bounds(code)
        fresh = max(low, min(high, weight + max(-1.0, min(1.0, gradient / curve))))
        factor = math.exp(fresh - weight)
        if factor == 1.0:
            return fresh
        for row in self.columns[code]:
            self.odds[row] *= factor
        for group, (every, hit) in mine.items():
            self.whole[group] += every * (factor - 1.0)
            self.hit[group] += hit * (factor - 1.0)
        return fresh


def fit(customers: Iterable[Sequence[Pair]]) -> tuple[float, dict[str, float]]:
    """Bias and weight of each code in nats; a customer is the sequence of its candidates."""
    choices = _Choices(customers)
    weights = dict.fromkeys(sorted(choices.columns), 0.0)
    for number in range(ROUNDS):
        if number % RESTATED == 0:
            choices.restate(weights)
        moved = 0.0
        for code, weight in weights.items():
            weights[code] = choices.step(code, weight, RIDGE if code else 0.0)
            moved = max(moved, abs(weights[code] - weight))
        if moved < STILL:
            break
    bias = weights.pop("")
    return bias, weights


def bounds(code: str) -> tuple[float, float]:
    """The sign that a kind of evidence may have, whatever a sample says."""
    if not code:
        return FREE
    if code.startswith("label.") and not code.startswith("label.silent."):
        return FREE  # beside a name: the company itself, or its namesake under another ending
    if code.endswith((".part", ".apart", "_other", "_shared")):
        return FREE  # a namesake in another town has such a domain as often as the company itself
    if code.startswith(POSITIVE) or code.endswith(".same"):
        return 0.0, math.inf
    if code.startswith(NEGATIVE):
        return -math.inf, 0.0
    return -math.inf, math.inf


def table(bias: float, weights: Mapping[str, float]) -> tuple[int, dict[str, int]]:
    """In thousandths of a nat."""
    return round(bias * 1000), {code: round(weights[code] * 1000) for code in sorted(weights)}
