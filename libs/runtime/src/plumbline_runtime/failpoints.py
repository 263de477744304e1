"""Named places where a process can be made to die or stand still, armed by the environment.

`PLUMBLINE_FAILPOINTS` is a list of `name=count[:block:seconds][@file]`, separated by commas:

- `matcher.before_commit=3` ends every process (exit status 137, as after kill -9) at its third hit;
- `matcher.before_commit=3@/run/arm` does so once: only while the file is there, counted from its
  appearance, and the file is removed first. Its text, when there is any, replaces what stands
  before the `@`, so that a running process can be armed again;
- `...=1:block:40` blocks the event loop for 40 s instead of ending the process.

Nothing is armed in production; an unarmed `hit` costs one look at an empty dictionary.
"""

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from plumbline_runtime.secrets import ConfigError

VARIABLE: Final = "PLUMBLINE_FAILPOINTS"
EXIT_STATUS: Final = 137
NAMES: Final = frozenset(
    {
        "edge.before_ack",
        "edge.after_ack",
        "observe.after_publish",
        "reader.after_publish",
        "walker.after_publish",
        "rates.after_publish",
        "matcher.batch_taken",
        "matcher.before_commit",
        "matcher.after_commit",
        "matcher.after_publish",
        "matcher.before_published_up_to",
        "writeback.after_claim",
        "writeback.during_call",
        "writeback.after_answer",
        "writeback.after_creation_claim",
        "writeback.during_creation",
        "writeback.after_creation",
    }
)
"""Every point there is (engineering 6.2 rows 1, 2, 6, 7 and the steps of reads and walks)."""

_IN_THE_AIR_SECONDS: Final = 0.05
"""How long `during` lets a request travel before the process ends."""

T = TypeVar("T")


class _What(NamedTuple):
    """What happens at which hit."""

    at_hit: int
    block_seconds: float | None


class _Arm:
    """One armed point and how often it was hit."""

    def __init__(self, name: str, what: _What, file: Path | None) -> None:
        self._name = name
        self._what = what
        self._file = file
        self._hits = 0

    def due(self) -> _What | None:
        """What is to happen at this hit; None when nothing is."""
        what = self._what
        if self._file is not None:
            try:
                text = self._file.read_text(encoding="utf-8").strip()
            except FileNotFoundError:
                self._hits = 0
                return None
            what = _parse_what(text, str(self._file)) if text else what
        self._hits += 1
        if self._hits < what.at_hit or (self._file is None and self._hits > what.at_hit):
            return None
        if self._file is not None:
            try:
                self._file.unlink()
            except FileNotFoundError:
                return None  # another process took it
            self._hits = 0
        return what

    def happen(self, what: _What) -> None:
        """Block, or never return."""
        sys.stderr.write(f"failpoint {self._name}\n")
        sys.stderr.flush()
        if what.block_seconds is None:
            os._exit(EXIT_STATUS)
        time.sleep(what.block_seconds)


_armed: dict[str, _Arm] = {}


def arm(text: str | None = None) -> None:
    """Read the list (default: the environment's) and forget an earlier one; raises ConfigError."""
    _armed.clear()
    given = os.environ.get(VARIABLE, "") if text is None else text
    _armed.update(parse(given))


def parse(text: str) -> Mapping[str, _Arm]:
    """Points by name; raises ConfigError naming what is wrong."""
    found = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, _, rest = entry.partition("=")
        if name not in NAMES:
            known = ", ".join(sorted(NAMES))
            raise ConfigError(
                f"environment: {VARIABLE}: found {name!r}, expected one of the points {known}"
            )
        what, _, file = rest.partition("@")
        found[name] = _Arm(name, _parse_what(what or "1", VARIABLE), Path(file) if file else None)
    return found


def hit(name: str) -> None:
    """Pass the point `name`: nothing happens unless it is armed and this is its turn."""
    if not _armed or (armed := _armed.get(name)) is None:
        return
    if (what := armed.due()) is not None:
        armed.happen(what)


async def during(name: str, call: Awaitable[T]) -> T:
    """Await `call`; when it is the point's turn, let the request get under way and happen then."""
    if not _armed or (armed := _armed.get(name)) is None or (what := armed.due()) is None:
        return await call
    task = asyncio.ensure_future(call)
    await asyncio.wait({task}, timeout=_IN_THE_AIR_SECONDS)
    armed.happen(what)
    return await task


def _parse_what(text: str, where: str) -> _What:
    count, _, action = text.partition(":")
    kind, _, seconds = action.partition(":")
    try:
        what = _What(int(count), float(seconds) if kind == "block" else None)
    except ValueError:
        what = _What(0, None)
    if what.at_hit < 1 or kind not in {"", "block"} or (what.block_seconds or 0) < 0:
        raise ConfigError(
            f"environment: {where}: found {text!r}, expected COUNT or COUNT:block:SECONDS"
        )
    return what
