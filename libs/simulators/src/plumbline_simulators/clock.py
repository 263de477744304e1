"""The simulated clock of a vendor: `created`, `Date` and billing follow it, never real time."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class ClockError(ValueError):
    """An instant without a zone, or one before the clock's present."""


class SimulatedClock:
    """Starts at `start` (now when None); frozen, or running at real speed from there.

    All instants are UTC. The clock never goes back. `monotonic` is seconds of real time.
    """

    def __init__(
        self,
        start: datetime | None = None,
        *,
        frozen: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._base = _in_utc(start) if start is not None else datetime.now(UTC)
        self._anchor = monotonic()
        self._frozen = frozen

    @property
    def frozen(self) -> bool:
        return self._frozen

    def now(self) -> datetime:
        if self._frozen:
            return self._base
        return self._base + timedelta(seconds=self._monotonic() - self._anchor)

    def epoch(self) -> int:
        """Whole seconds since 1970, as Stripe writes `created`."""
        return int(self.now().timestamp())

    def epoch_ms(self) -> int:
        """Milliseconds since 1970, as HubSpot writes `occurredAt`."""
        return int(self.now().timestamp() * 1000)

    def advance_to(self, instant: datetime) -> None:
        """Move to `instant`; raises ClockError for one in the simulated past."""
        target = _in_utc(instant)
        present = self.now()
        if target < present:
            message = f"clock: cannot go back from {present.isoformat()} to {target.isoformat()}"
            raise ClockError(message)
        self._base = target
        self._anchor = self._monotonic()

    def advance(self, seconds: float) -> None:
        if seconds < 0:
            raise ClockError(f"clock: advance_seconds must not be negative, found {seconds}")
        self.advance_to(self.now() + timedelta(seconds=seconds))

    def freeze(self) -> None:
        self._base = self.now()
        self._frozen = True

    def run(self) -> None:
        self._anchor = self._monotonic()
        self._frozen = False


def parse_instant(text: object) -> datetime:
    """An ISO instant with a zone, or epoch seconds; raises ClockError."""
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        raise ClockError(f"clock: expected an ISO instant or epoch seconds, found {text!r}")
    if isinstance(text, int | float):
        return datetime.fromtimestamp(text, UTC)
    try:
        return _in_utc(datetime.fromisoformat(text))
    except ValueError as error:
        raise ClockError(f"clock: expected an ISO instant with zone, found {text!r}") from error


def _in_utc(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ClockError(f"clock: an instant needs a zone, found {instant.isoformat()}")
    return instant.astimezone(UTC)
