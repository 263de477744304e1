"""Log lines that would come many times a second while a server is away."""

from collections.abc import Hashable
from typing import Final

REPEAT_SECONDS: Final = 10.0
_REMEMBERED: Final = 500


class Repeats:
    """Lets a line of each kind through once in a while and counts those between."""

    def __init__(self, seconds: float = REPEAT_SECONDS) -> None:
        self._seconds = seconds
        self._last: dict[Hashable, tuple[float, int]] = {}

    def told(self, kind: Hashable, now: float) -> dict[str, int] | None:
        """What the line says of those held back before it; None: hold this one back as well.

        `now` is in seconds of any steady clock.
        """
        known = self._last.get(kind)
        if known is not None and now - known[0] < self._seconds:
            self._last[kind] = (known[0], known[1] + 1)
            return None
        if len(self._last) >= _REMEMBERED:
            self._last.clear()
        self._last[kind] = (now, 0)
        return {"repeated": known[1]} if known is not None and known[1] else {}
