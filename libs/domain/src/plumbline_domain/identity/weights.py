"""The table of weights and thresholds: a small data file that `bench/fit_identity.py` writes."""

import json
import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.resources import files

from pydantic import BaseModel, ConfigDict


class Weights(BaseModel):
    """Additive log-odds in thousandths of a nat, so that sums are exact everywhere."""

    model_config = ConfigDict(frozen=True)

    version: str
    bias: int
    pieces: Mapping[str, int]
    auto_at: float = 0.93
    """Probability, among its rivals and no record at all, from which a pair is linked, gates
    permitting."""
    review_at: float = 0.77
    """Probability that one of the candidates shown is right, from which a person is asked."""

    def of(self, code: str) -> int:
        """Weight of a piece; a code the table does not know weighs nothing."""
        return self.pieces.get(code, 0)


def total(weights: Weights, codes: Iterable[str]) -> int:
    """The score that evidence of these codes amounts to, in thousandths of a nat.

    A stored link's score is this of its stored codes under the weights of its stored version.
    """
    return weights.bias + sum(map(weights.of, codes))


def probability(score: int) -> float:
    """Of a score in thousandths of a nat, to six places."""
    return round(1.0 / (1.0 + math.exp(-score / 1000.0)), 6)


@lru_cache(maxsize=1)
def shipped() -> Weights:
    """The weights of this version of Plumbline."""
    text = (files("plumbline_domain.identity") / "data" / "weights.json").read_text("utf-8")
    return Weights.model_validate(json.loads(text))


@lru_cache(maxsize=64)
def with_thresholds(auto_at: float | None, review_at: float | None) -> Weights:
    """The shipped weights with a workspace's own thresholds; None keeps the shipped one."""
    said = {"auto_at": auto_at, "review_at": review_at}
    return shipped().model_copy(update={k: v for k, v in said.items() if v is not None})
