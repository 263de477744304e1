"""Signals and failures: the one place that decides when a process ends, and how."""

import asyncio
import os
import signal
import threading
from collections.abc import Coroutine
from typing import Any, Final

import structlog

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_FORCED: Final = 1


class Supervisor:
    """Owns the stop event, the tasks of the process, and the time it may take to leave."""

    def __init__(self, shutdown_seconds: float) -> None:
        self.stopping = asyncio.Event()
        self.failure: BaseException | None = None
        self._shutdown_seconds = shutdown_seconds
        self._signals = 0
        self._ended = asyncio.Event()
        self._timer: threading.Timer | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def install_signals(self) -> None:
        """First signal: stop gracefully. Second: leave at once with 1."""
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._on_signal, number)

    def remove_signals(self) -> None:
        """Give the signals back and stop the clock."""
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
        if self._timer is not None:
            self._timer.cancel()

    def fail(self, error: BaseException) -> None:
        """Something the process can't go on without has failed; the first one counts."""
        if self.failure is None:
            self.failure = error
            structlog.get_logger().error("service_failed", error=error, exc_info=error)
        self.stop()

    def stop(self) -> None:
        """Begin to leave: graceful, but never longer than `shutdown_seconds`."""
        if self.stopping.is_set():
            return
        self.stopping.set()
        # A thread, because the loop itself may be what hangs.
        self._timer = threading.Timer(self._shutdown_seconds, self._force)
        self._timer.daemon = True
        self._timer.start()

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run a task whose failure ends the process."""
        task = asyncio.create_task(self._guard(work), name=name)
        self._tasks[name] = task
        return task

    async def until_stopping(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` to its end, or until the process stops; its failure is the process's."""
        task = asyncio.create_task(self._guard(work))
        stop = asyncio.create_task(self.stopping.wait())
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        await _cancel([task, stop])

    async def finish(self, names: list[str], seconds: float) -> None:
        """Let tasks end by themselves for `seconds`, then cancel them."""
        tasks = [self._tasks[name] for name in names if name in self._tasks]
        if not tasks:
            return
        _, pending = await asyncio.wait(tasks, timeout=seconds)
        if pending:
            structlog.get_logger().warning(
                "tasks_cancelled", tasks=sorted(task.get_name() for task in pending)
            )
        await _cancel(list(pending))

    async def cancel(self, name: str) -> None:
        """End one task now."""
        if (task := self._tasks.get(name)) is not None:
            await _cancel([task])

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - reported, and the process ends
            self.fail(error)

    def _on_signal(self, number: signal.Signals) -> None:
        self._signals += 1
        # A process that leaves because something failed has not been asked to hurry yet.
        if self._signals > 1:
            structlog.get_logger().warning("second_signal", signal=number.name)
            os._exit(_FORCED)
        structlog.get_logger().info("signal_received", signal=number.name)
        self.stop()

    def _force(self) -> None:
        structlog.get_logger().error("shutdown_forced", seconds=self._shutdown_seconds)
        os._exit(_FORCED)


async def _cancel(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
