"""The embedded pair without services: for tests, and for commands that need the data of a stopped
home."""

import asyncio
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Self

from plumbline_local.kafka import prepare_kafka
from plumbline_local.leftovers import end_leftovers
from plumbline_local.locks import BusyError, FileLock
from plumbline_local.paths import Cache, Home, HomeError
from plumbline_local.ports import keep_ports
from plumbline_local.postgres import prepare_postgres
from plumbline_local.program import Program, launch_command, launch_environment
from plumbline_local.readiness import wait_for_both

READY_SECONDS = 60.0
STOP_SECONDS = 15.0


def take_home(home: Home) -> FileLock:
    """Make the home this process's own and end what an earlier owner left running.

    Raises HomeError when a living process has it.
    """
    home.ensure()
    lock = FileLock(home.lock_file)
    try:
        lock.acquire()
    except BusyError as busy:
        message = f"{home.root} is in use by process {busy.holder or 'unknown'}"
        raise HomeError(
            f"{message}: stop that one first, or set PLUMBLINE_HOME to another folder"
        ) from busy
    end_leftovers(home)
    return lock


class EmbeddedPair:
    """Kafka and PostgreSQL of a home, running while the context is open.

    Not `durable` is for test sessions (see prepare_postgres). Entering blocks until both answer
    and raises HomeError, JarError, KafkaError, PostgresError, RootRefusedError or NotReadyError;
    leaving stops both cleanly.
    """

    bootstrap_servers: str
    database_url: str

    def __init__(
        self,
        home: Home,
        cache: Cache,
        *,
        durable: bool = True,
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._home = home
        self._cache = cache
        self._durable = durable
        self._progress = progress
        self._lock: FileLock | None = None
        self._stop_signals: dict[str, signal.Signals] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        self._lock = take_home(self._home)
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _start(self) -> None:
        ports = keep_ports(self._home, ("kafka", "controller", "postgres"))
        pair = (ports["kafka"], ports["controller"])
        with ThreadPoolExecutor(2) as pool:
            kafka = pool.submit(prepare_kafka, self._home, self._cache, pair, self._progress)
            # Processes are started by this thread, see _spawn; PostgreSQL is prepared sooner.
            postgres = prepare_postgres(self._home, ports["postgres"], durable=self._durable)
            self.database_url = postgres.url
            self._spawn(postgres.program)
            broker = kafka.result()
            self.bootstrap_servers = broker.bootstrap_servers
            self._spawn(broker.program)
            # In a thread of its own: the caller may be inside a running event loop.
            pool.submit(asyncio.run, self._wait()).result()

    def _spawn(self, program: Program) -> None:
        # The kernel's signal follows the *thread* that started the process, so only the main one
        # asks for it.
        follow = threading.current_thread() is threading.main_thread()
        variables = launch_environment([program], self._home.root, follow_parent=follow)
        with self._home.log_file(program.name).open("ab") as log:
            self.processes[program.name] = subprocess.Popen(  # noqa: S603 - our own launcher
                launch_command(program.name),
                env={**os.environ, **variables},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._stop_signals[program.name] = program.stop_signal

    async def _wait(self) -> None:
        await wait_for_both(
            (self.bootstrap_servers, self.database_url),
            READY_SECONDS,
            partial(self._ended, "kafka"),
            partial(self._ended, "postgres"),
        )

    def _ended(self, name: str) -> str | None:
        code = self.processes[name].poll()
        if code is None:
            return None
        log = self._home.log_file(name)
        return f"it ended with {code}; {log} ends with: {log.read_text(errors='replace')[-1500:]}"

    def stop(self) -> None:
        """Stop both and give the home back; a server that takes longer than STOP_SECONDS is
        killed."""
        for name, process in self.processes.items():
            if process.poll() is None:
                process.send_signal(self._stop_signals[name])
        for process in self.processes.values():
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()
        if self._lock is not None:
            self._lock.release()
            self._lock = None
