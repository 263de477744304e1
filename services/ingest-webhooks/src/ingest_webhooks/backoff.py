"""How long to wait before the next try."""

import random
from typing import Final

_RANDOM: Final = random.SystemRandom()


def full_jitter(attempts: int, *, first: float, cap: float) -> float:
    """Seconds, evenly spread between 0 and the doubled limit, so that retries do not line up."""
    limit = min(cap, first * 2.0 ** min(attempts, 60))
    return _RANDOM.uniform(0.0, limit)
