"""Thresholds from a target precision, and probabilities corrected by review decisions.

A reviewer's decision is a labelled pair. From `ENOUGH` of them on, the score's probabilities are
mapped to observed shares by isotonic regression (identity.md 7, Score), which keeps their order.
"""

import itertools
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

ENOUGH: Final = 200
"""Review decisions from which on they may correct the probabilities."""

BINS: Final = (0.0, 0.2, 0.45, 0.7, 0.85, 0.93, 0.98, 1.0)
"""Borders of the bins of `drift`."""


class Reviewed(NamedTuple):
    """What the score said of a pair, and whether a person linked it."""

    probability: float
    right: bool


@dataclass(frozen=True, slots=True)
class Calibration:
    """A non-decreasing map from the score's probabilities to observed shares."""

    starts: tuple[float, ...] = ()
    """Lowest probability of each step, rising."""
    shares: tuple[float, ...] = ()
    decisions: int = 0

    def __call__(self, probability: float) -> float:
        """The corrected probability; the same one while nothing was learnt."""
        if not self.starts:
            return probability
        return self.shares[max(0, bisect_right(self.starts, probability) - 1)]


NONE: Final = Calibration()


def calibrated(reviewed: Iterable[Reviewed]) -> Calibration:
    """The map that review decisions teach; `NONE` while there are fewer than `ENOUGH`.

    Each step counts one success and one failure beyond what was seen, so that a run of right
    links is never taken for certainty.
    """
    ranked = sorted(reviewed)
    if len(ranked) < ENOUGH:
        return NONE
    steps: list[tuple[float, int, int]] = []
    for probability, right in ranked:
        if steps and steps[-1][0] == probability:
            _, count, hits = steps.pop()
            steps.append((probability, count + 1, hits + right))
        else:
            steps.append((probability, 1, int(right)))
        while len(steps) > 1 and steps[-2][2] * steps[-1][1] >= steps[-1][2] * steps[-2][1]:
            _, count, hits = steps.pop()
            start, before, earlier = steps.pop()
            steps.append((start, before + count, earlier + hits))
    shares = [(hits + 1) / (count + 2) for _, count, hits in steps]
    for place in range(1, len(shares)):
        shares[place] = max(shares[place - 1], shares[place])
    return Calibration(tuple(start for start, _, _ in steps), tuple(shares), len(ranked))


@dataclass(frozen=True, slots=True)
class Setting:
    """A threshold and what to expect of it."""

    auto_at: float
    wrong_per_1000: float
    linked: int

    def __str__(self) -> str:
        """For an operator."""
        return (
            f"from {self.auto_at:.3f} on {self.linked} would link, "
            f"about {self.wrong_per_1000:.1f} wrong in 1,000"
        )


def expected(
    probabilities: Iterable[float], auto_at: float, calibration: Calibration = NONE
) -> Setting:
    """What a threshold does with candidates that pass every other gate."""
    linked = [calibration(p) for p in probabilities if p >= auto_at]
    wrong = sum(1.0 - p for p in linked)
    return Setting(auto_at, round(1000.0 * wrong / len(linked), 2) if linked else 0.0, len(linked))


def threshold_for(
    probabilities: Sequence[float], precision: float, calibration: Calibration = NONE
) -> Setting:
    """The lowest threshold at which the links together are expected to be `precision` right.

    Raises ValueError when `precision` is not between 0 and 1. When no threshold reaches it,
    nothing links: `auto_at` is above every probability.
    """
    if not 0.0 < precision < 1.0:
        raise ValueError(f"a target precision lies between 0 and 1, not at {precision}")
    ranked = sorted(probabilities, reverse=True)
    wrong, best = 0.0, None
    for count, probability in enumerate(ranked, 1):
        wrong += 1.0 - calibration(probability)
        last = count == len(ranked) or ranked[count] != probability
        if last and wrong <= (1.0 - precision) * count:
            best = probability
    return expected(ranked, 1.01 if best is None else best, calibration)


class Drift(NamedTuple):
    """A bin of probabilities: what was said, and what persons found."""

    start: float
    end: float
    decisions: int
    said: float
    found: float


def drift(reviewed: Sequence[Reviewed], calibration: Calibration = NONE) -> tuple[Drift, ...]:
    """Said and found shares by bin; bins without a decision are left out."""
    found = []
    for start, end in itertools.pairwise(BINS):
        inside = [r for r in reviewed if start <= r.probability < end or r.probability == end == 1]
        if inside:
            said = sum(calibration(r.probability) for r in inside) / len(inside)
            right = sum(r.right for r in inside) / len(inside)
            found.append(Drift(start, end, len(inside), round(said, 4), round(right, 4)))
    return tuple(found)
