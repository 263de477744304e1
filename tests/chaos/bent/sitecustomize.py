"""Bends one process: its wall clock is shifted, or its consumers stop taking records.

Python imports this at the start of a process that has this folder on PYTHONPATH, so no root and no
faketime is needed. Both are steered while the process runs, by files that the environment names:

- `CHAOS_CLOCK_FILE`: seconds to add to `time.time`, `datetime.now` and `datetime.utcnow`; the
  monotonic clock stays, as it does when somebody sets a host's clock;
- `CHAOS_STUCK_FILE`: while it exists, every poll of a Kafka consumer waits and takes nothing.
"""

import datetime as dt
import os
import time
from pathlib import Path
from typing import Any

_real = dt.datetime
_time, _monotonic = time.time, time.monotonic
_LOOK_SECONDS = 0.05
_POLL_SECONDS = 0.1


class _Shift:
    """What the file says, looked at now and then."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seconds = 0.0
        self._looked_at = float("-inf")

    def seconds(self) -> float:
        if _monotonic() - self._looked_at > _LOOK_SECONDS:
            self._looked_at = _monotonic()
            try:
                self._seconds = float(self._file.read_text() or 0)
            except FileNotFoundError:
                self._seconds = 0.0
        return self._seconds


class _Meta(type):
    """Real datetimes are instances of the stand-in."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _real)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, _real)


def _bend_clock(shift: _Shift) -> None:
    class Shifted(_real, metaclass=_Meta):
        """datetime.datetime of this process; everything it makes is a real one."""

        __slots__ = ()

        def __new__(cls, *args: Any, **named: Any) -> Any:
            return _real(*args, **named)

        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return _real.now(tz) + dt.timedelta(seconds=shift.seconds())

        @classmethod
        def utcnow(cls) -> Any:
            return _real.now(dt.UTC).replace(tzinfo=None) + (dt.timedelta(seconds=shift.seconds()))

    for made in ("fromtimestamp", "fromisoformat", "combine", "strptime"):
        setattr(Shifted, made, getattr(_real, made))
    Shifted.__name__ = Shifted.__qualname__ = "datetime"
    vars(dt)["datetime"] = Shifted
    vars(time)["time"] = lambda: _time() + shift.seconds()


def _hold_polls(file: Path) -> None:
    import asyncio

    from aiokafka import AIOKafkaConsumer

    poll = AIOKafkaConsumer.getmany

    async def held(self: Any, *partitions: Any, **named: Any) -> Any:
        while file.exists():
            await asyncio.sleep(_POLL_SECONDS)
        return await poll(self, *partitions, **named)

    setattr(AIOKafkaConsumer, "getmany", held)  # noqa: B010 - a method of somebody else's class


if _clock := os.environ.get("CHAOS_CLOCK_FILE"):
    _bend_clock(_Shift(Path(_clock)))
if _stuck := os.environ.get("CHAOS_STUCK_FILE"):
    _hold_polls(Path(_stuck))
