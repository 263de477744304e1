"""What can be set about this service, all from the environment, all with a default."""

import os
from collections.abc import Mapping
from typing import Final, NamedTuple

from plumbline_runtime.secrets import ConfigError

SCHEDULE: Final = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 300.0)
"""Seconds before the next attempt, by attempts made; the last one stays (vendors 2.6: 423 at
least 2 s, the others back off)."""


class WritebackSettings(NamedTuple):
    """Limits and time-outs; times in seconds."""

    poll: float = 0.15
    """How often due effects are looked for without being woken."""
    coalesce: float = 0.025
    """Pause after a wake-up, so that a burst of changes becomes one batch."""
    rest: float = 0.3
    """Between two writes of one record: a burst of changes that lasts no longer costs two."""
    http_timeout: float = 7.5
    lease_margin: float = 1.0
    """After a call's time-out, before another may take its rows (design 7)."""
    late_window: float = 60.0
    """How long a call without an answer may still be carried out by the CRM."""
    lanes: int = 8
    """Batches in the air at a time: one alone would leave budget unused at a slow vendor."""
    patience: float = 3.0
    """For the budget's word; then a batch gives its rows back, which may have become urgent."""
    batch: int = 100
    """Rows of one vendor batch (vendors 2.3)."""
    seen_max_age: float = 60.0
    """A record last seen longer ago is read before it is written (design 7)."""
    blank_delay: float = 2.0
    """Before a closed link's record is blanked: whoever takes it over is on the way."""
    doubt_delay: float = 5.0
    """Before what the brake counts is written: a mass shows itself before its first is out."""
    create_delay: float = 1.0
    """Before a record is created: what comes in the same moment may make that needless."""
    create_settle: float = 30.0
    """After a record was created and linked, before another of the same name or domain is."""
    create_look: float = 15.0
    """Before a created record is asked for that the matcher has not linked yet."""
    circuit_retry: float = 30.0
    """Between attempts on a connection that refuses us."""
    deploy_retry: float = 2.0
    deploy_check: float = 60.0
    """Between looks at properties that did not fit."""
    lock_retry: float = 0.5
    row_attempts: int = 10
    """Answers of an unknown category for one row before it becomes attention (design 9)."""
    schedule: tuple[float, ...] = SCHEDULE

    @property
    def lease(self) -> float:
        """How long rows wait for the answer to a call. After a crash in mid-call that is how long
        they rest: nothing of the dead process can reach the CRM any more, then each is looked at
        before it is written again."""
        return self.http_timeout + self.lease_margin

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "WritebackSettings":
        """Read `PLUMBLINE_WRITEBACK_*`; raises ConfigError naming the variable."""
        default = cls()
        seconds = {
            name: _positive(environ, f"PLUMBLINE_WRITEBACK_{name.upper()}_SECONDS", found)
            for name, found in default._asdict().items()
            if isinstance(found, float)
        }
        numbers = {
            name: max(1, int(_positive(environ, f"PLUMBLINE_WRITEBACK_{name.upper()}", default_)))
            for name, default_ in (("row_attempts", default.row_attempts), ("lanes", default.lanes))
        }
        return cls(**(default._asdict() | seconds | numbers))


def _positive(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ConfigError(f"environment: {name}: found {text!r}, expected a number greater than 0")
    return value
