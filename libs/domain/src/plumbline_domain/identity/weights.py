"""The table of weights and thresholds: a small data file that `bench/fit_identity.py` writes."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
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
    """Probability from which a pair is linked, gates permitting."""
    review_at: float = 0.5
    gap: float = 0.3
    """Distance in probability to the best rival that is not the same company."""

    def of(self, code: str) -> int:
        """Weight of a piece; a code the table does not know weighs nothing."""
        return self.pieces.get(code, 0)


def probability(score: int) -> float:
    """Of a score in thousandths of a nat, to six places."""
    return round(1.0 / (1.0 + math.exp(-score / 1000.0)), 6)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What a workspace may set: see `Weights`."""

    auto_at: float
    review_at: float
    gap: float


@lru_cache(maxsize=1)
def shipped() -> Weights:
    """The weights of this version of Plumbline."""
    text = (files("plumbline_domain.identity") / "data" / "weights.json").read_text("utf-8")
    return Weights.model_validate(json.loads(text))
