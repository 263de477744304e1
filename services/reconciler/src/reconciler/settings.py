"""Settings of the reconciler, from the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReconcilerSettings:
    """Durations in seconds; `unfolded_rows_max` bounds how far a walk runs ahead of the matcher."""

    tick_seconds: float = 60.0
    unfolded_rows_max: int = 5_000
    retry_seconds: float = 2.0
    retry_seconds_max: float = 60.0
    refused_retry_seconds: float = 30.0
    rates_look_seconds: float = 10.0
    """Between looks at a file of rates, and at whether a month has begun."""
    rates_every_seconds: float = 86_400.0
    """Between questions to an address with rates."""
    rates_retry_seconds: float = 60.0
    """After a failed one; doubled up to 64 times."""
    rates_failing_seconds: float = 86_400.0
    """How long an address may fail before a person is told."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> "ReconcilerSettings":
        """Read `PLUMBLINE_TICK_SECONDS` and the others; raises ValueError naming a bad one."""
        environ = os.environ if environ is None else environ
        defaults = cls()
        return cls(
            tick_seconds=_positive(environ, "PLUMBLINE_TICK_SECONDS", defaults.tick_seconds),
            unfolded_rows_max=int(
                _positive(environ, "PLUMBLINE_WALK_UNFOLDED_ROWS_MAX", defaults.unfolded_rows_max)
            ),
            retry_seconds=_positive(
                environ, "PLUMBLINE_WALK_RETRY_SECONDS", defaults.retry_seconds
            ),
            refused_retry_seconds=_positive(
                environ, "PLUMBLINE_REFUSED_RETRY_SECONDS", defaults.refused_retry_seconds
            ),
            rates_look_seconds=_positive(
                environ, "PLUMBLINE_RATES_LOOK_SECONDS", defaults.rates_look_seconds
            ),
            rates_every_seconds=_positive(
                environ, "PLUMBLINE_RATES_EVERY_SECONDS", defaults.rates_every_seconds
            ),
            rates_retry_seconds=_positive(
                environ, "PLUMBLINE_RATES_RETRY_SECONDS", defaults.rates_retry_seconds
            ),
            rates_failing_seconds=_positive(
                environ, "PLUMBLINE_RATES_FAILING_SECONDS", defaults.rates_failing_seconds
            ),
        )


def _positive(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if value <= 0:
        raise ValueError(f"{name}: found {text!r}, expected a number above zero")
    return value
