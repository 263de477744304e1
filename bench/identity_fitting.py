"""Weights from labelled pairs: logistic regression, monotone by sign, coordinate by coordinate.

No randomness and no clock: the same pairs in any order give the same table.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

FREE = (-math.inf, math.inf)
RIDGE = 0.2
ROUNDS = 150

POSITIVE = (
    "email.",
    "domain.owners",
    "domain.named",
    "domain.contact",
    "label.",
    "local.",
    "contact.",
    "phone.",
)
NEGATIVE = ("domain.elsewhere", "domain.other", "domain.hub", "name.clash", "city.other")
NEGATIVE += ("country.other", "form.other")


@dataclass(frozen=True, slots=True)
class Pair:
    """The codes of a pair's evidence and whether the pair is one company."""

    codes: tuple[str, ...]
    right: bool


def fit(pairs: Iterable[Pair]) -> tuple[float, dict[str, float]]:
    """Bias and weight of each code in nats."""
    counted = Counter((tuple(sorted(pair.codes)), pair.right) for pair in pairs)
    groups = sorted(counted.items())
    columns: dict[str, list[int]] = {}
    for row, ((codes, _), _) in enumerate(groups):
        for code in codes:
            columns.setdefault(code, []).append(row)
    sums = [0.0] * len(groups)
    bias, weights = 0.0, dict.fromkeys(sorted(columns), 0.0)
    every = range(len(groups))
    for _ in range(ROUNDS):
        moved = _step(groups, sums, every, bias, ridge=0.0, between=FREE)
        bias = moved
        for code in weights:
            weights[code] = _step(
                groups, sums, columns[code], weights[code], ridge=RIDGE, between=bounds(code)
            )
    return bias, weights


def bounds(code: str) -> tuple[float, float]:
    """The sign that a kind of evidence may have, whatever a sample says."""
    if code.endswith((".part", ".apart", "_other", "_shared")):
        return FREE  # a namesake in another town has such a domain as often as the company itself
    if code.startswith(POSITIVE) or code.endswith(".same"):
        return 0.0, math.inf
    if code.startswith(NEGATIVE):
        return -math.inf, 0.0
    return -math.inf, math.inf


def _step(
    groups: Sequence[tuple[tuple[tuple[str, ...], bool], int]],
    sums: list[float],
    rows: Sequence[int],
    weight: float,
    *,
    ridge: float,
    between: tuple[float, float],
) -> float:
    gradient, curve = -ridge * weight, ridge + 1e-9
    for row in rows:
        (_, right), count = groups[row]
        p = 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, sums[row]))))
        gradient += count * ((1.0 if right else 0.0) - p)
        curve += count * max(p * (1.0 - p), 0.002)
    fresh = weight + max(-1.0, min(1.0, gradient / curve))
    fresh = max(between[0], min(between[1], fresh))
    for row in rows:
        sums[row] += fresh - weight
    return fresh


def table(bias: float, weights: Mapping[str, float]) -> tuple[int, dict[str, int]]:
    """In thousandths of a nat."""
    return round(bias * 1000), {code: round(weights[code] * 1000) for code in sorted(weights)}
