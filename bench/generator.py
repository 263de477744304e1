"""The load, in a process of its own: ready-made requests over keep-alive connections.

`python -m bench.generator` reads a job (JSON) from standard input and writes the outcome as JSON
beside the requests. Everything is built and signed before the clock starts; what runs then is bare
asyncio, because a common HTTP client would cost more than the server it measures
(engineering.md 3.5).
"""

import asyncio
import pickle
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, cast

import orjson
import uvloop

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


class Job(NamedTuple):
    """What to post where. `per_second` None: each connection posts as soon as it is answered."""

    host: str
    port: int
    requests: str
    """A pickled list of whole HTTP requests; used again from the start when it runs out."""
    count: int
    connections: int
    per_second: float | None
    seconds: float | None = None
    """Ends a load without rate."""


class Outcome(NamedTuple):
    """`due` and `took` hold a place per request: seconds since 1970, milliseconds."""

    seconds: float
    statuses: dict[str, int]
    due: list[float]
    took: list[float]
    cpu_seconds: float


class _Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, load: "_Load") -> None:
        self._load = load
        self._transport: asyncio.WriteTransport | None = None
        self._seen = b""
        self._index = -1
        self._due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def post(self, index: int, due: float, request: bytes) -> None:
        self._index, self._due = index, due
        assert self._transport is not None
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        seen = self._seen + data if self._seen else data
        end = seen.find(_HEAD_END)
        if end < 0 or len(seen) < end + 4 + _content_length(seen[:end]):
            self._seen = seen
            return
        self._seen = b""
        self._load.answered(self, self._index, self._due, seen[9:12].decode())

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.lost(exc)


def _content_length(head: bytes) -> int:
    place = head.lower().find(_LENGTH)
    if place < 0:
        return 0
    return int(head[place + len(_LENGTH) :].split(b"\r\n", 1)[0])


class _Load:
    def __init__(self, job: Job, requests: Sequence[bytes]) -> None:
        self._job = job
        self._requests = requests
        self._idle: deque[_Connection] = deque()
        self._late: deque[tuple[int, float]] = deque()
        self._statuses: Counter[str] = Counter()
        self._due = [0.0] * job.count
        self._took = [-1.0] * job.count
        self._sent = 0
        self._answers = 0
        self._done = asyncio.Event()
        self._until = float("inf")

    async def run(self) -> Outcome:
        loop = asyncio.get_running_loop()
        for _ in range(self._job.connections):
            _, connection = await loop.create_connection(
                lambda: _Connection(self), self._job.host, self._job.port
            )
            self._idle.append(connection)
        began, cpu = time.time(), time.process_time()
        if self._job.per_second is None:
            self._until = began + (self._job.seconds or float("inf"))
            while self._idle and self._sent < self._job.count:
                self._next(self._idle.popleft())
        else:
            await self._paced(self._job.per_second, began)
        await self._done.wait()
        used = self._sent if self._job.per_second is None else self._job.count
        return Outcome(
            time.time() - began,
            dict(self._statuses),
            self._due[:used],
            self._took[:used],
            time.process_time() - cpu,
        )

    async def _paced(self, per_second: float, began: float) -> None:
        """Each request has its due time, whether a connection is free then or not."""
        index = 0
        while index < self._job.count:
            now = time.time()
            while index < self._job.count and (due := began + index / per_second) <= now:
                if self._idle:
                    self._send(self._idle.popleft(), index, due)
                else:
                    self._late.append((index, due))
                index += 1
            await asyncio.sleep(0.002)

    def _next(self, connection: _Connection) -> None:
        index = self._sent
        self._send(connection, index, time.time())

    def _send(self, connection: _Connection, index: int, due: float) -> None:
        self._sent += 1
        self._due[index] = due
        connection.post(index, due, self._requests[index % len(self._requests)])

    def answered(self, connection: _Connection, index: int, due: float, status: str) -> None:
        now = time.time()
        self._took[index] = (now - due) * 1000
        self._statuses[status] += 1
        self._answers += 1
        if self._job.per_second is None:
            if self._sent < self._job.count and now < self._until:
                self._next(connection)
            elif self._answers == self._sent:
                self._done.set()
            return
        if self._late:
            self._send(connection, *self._late.popleft())
        else:
            self._idle.append(connection)
        if self._answers == self._job.count:
            self._done.set()

    def lost(self, error: Exception | None) -> None:
        if not self._done.is_set():
            raise SystemExit(f"the server closed a connection: {error}")


async def _run(job: Job, requests: Sequence[bytes]) -> Outcome:
    return await _Load(job, requests).run()


async def generate(job: Job) -> Outcome:
    """Run the job in a child process; raises RuntimeError with what it said when it failed."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.generator",
        stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, problem = await child.communicate(orjson.dumps(job._asdict()))
    if child.returncode != 0:
        raise RuntimeError(f"generator: {problem.decode(errors='replace')[-2000:]}")
    return Outcome(**orjson.loads(await asyncio.to_thread(_outcome_file(job).read_bytes)))


def _outcome_file(job: Job) -> Path:
    return Path(job.requests + ".outcome.json")


def main() -> int:
    """Read the job, run it, write the outcome."""
    job = Job(**orjson.loads(sys.stdin.buffer.read()))
    requests: list[bytes] = pickle.loads(Path(job.requests).read_bytes())
    outcome = uvloop.run(_run(job, requests))
    _outcome_file(job).write_bytes(orjson.dumps(outcome._asdict()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
