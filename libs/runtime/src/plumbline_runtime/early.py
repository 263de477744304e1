"""Called first by a service's `main`, before everything that takes a second to import.

Until the service has handlers of its own a SIGTERM or SIGINT ends the process at once with status
0: it holds nothing yet. Signals that were held back for it since before the exec (the local
deployment's launcher does so) are let in, so that none ever meets Python's default.
"""

import gc
import os
import signal
import sys
from types import FrameType, ModuleType
from typing import cast

_COMMAND_LINES = ("httpx._main", "rich")
"""Optional parts of libraries for people at a terminal; a service would import rich for them."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def _leave(_number: int, _frame: FrameType | None) -> None:
    os._exit(0)


def begin() -> None:
    """Obey signals, and import quickly."""
    for number in _SIGNALS:
        signal.signal(number, _leave)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    gc.set_threshold(100_000, 50, 50)  # imports make hardly any garbage
    for name in _COMMAND_LINES:
        # None means "not to be found"; typeshed knows modules only.
        sys.modules.setdefault(name, cast("ModuleType", None))
