"""An instance of a service under other surroundings: through a tunnel, with another clock, with
shorter limits. Started again whenever it ends, as the manager would."""

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from console.up import SERVICES, ask_ready
from plumbline_local.ports import LOOPBACK, keep_ports
from plumbline_runtime import failpoints

from tests.chaos.stage import FaultMissingError, Stage

BENT = Path(__file__).parent / "bent"
RESTART_SECONDS = 0.3
STOP_SECONDS = 40.0
REFUSED = 'result="signature_'


class BrokenPromiseError(FaultMissingError):
    """What the case waits for did not hold."""


class StandIn:
    """One slot of a service: its process now, and how those before it ended."""

    def __init__(self, stage: Stage, name: str, label: str, env: dict[str, str]) -> None:
        self._stage, self._name, self._env = stage, name, env
        self.label = label
        self.ends: list[int] = []
        self.log = stage.home / "logs" / f"stand-in-{label}.log"
        self.health = env["PLUMBLINE_HEALTH_LISTEN"]
        self.process = self._start()
        self._said_before = self.log.stat().st_size
        self._keeping = asyncio.create_task(self._keep())

    def _start(self) -> "subprocess.Popen[bytes]":
        with self.log.open("ab") as log:
            return subprocess.Popen([sys.executable, "-m", SERVICES[self._name]],
                                    env=self._env, stdout=log, stderr=log)  # fmt: skip

    async def _keep(self) -> None:
        while True:
            status = await asyncio.to_thread(_wait_briefly, self.process)
            if status is not None:
                self.ends.append(status)
                await asyncio.sleep(RESTART_SECONDS)
                self.process = self._start()

    def start_again(self) -> None:
        """After `stop`."""
        self.process = self._start()
        self._keeping = asyncio.create_task(self._keep())

    async def ready(self, seconds: float = 90.0) -> None:
        """Wait for /health/ready."""
        await holds(seconds, f"{self.label} is ready", self._is_ready)

    async def _is_ready(self) -> bool:
        return (await asyncio.to_thread(ask_ready, f"http://{self.health}"))[0]

    def said(self, word: str) -> int:
        """How often the word came in the log since the start."""
        with self.log.open("rb") as log:
            log.seek(self._said_before)
            return log.read().count(word.encode())

    async def stop(self) -> None:
        """SIGTERM, measured for I8; it stays away."""
        self._keeping.cancel()
        await asyncio.gather(self._keeping, return_exceptions=True)
        began = time.monotonic()
        self.process.terminate()
        status = await asyncio.to_thread(_wait_long, self.process)
        self._stage.course.stops.append((self.label, time.monotonic() - began, status))


@asynccontextmanager
async def one_more(stage: Stage, name: str, instance: str, **extra: str) -> AsyncIterator[StandIn]:
    """A further instance, ready; without failpoints unless `extra` arms them."""
    label = f"{name}-{instance}"
    port = keep_ports(stage.deployment.home, (f"stand-in:{label}",))[f"stand-in:{label}"]
    env = stage.environment(
        PLUMBLINE_INSTANCE=instance,
        PLUMBLINE_PUBLIC_URL=stage.edge,
        PLUMBLINE_HEALTH_LISTEN=f"{LOOPBACK}:{port}",
        **extra,
    )
    one = StandIn(stage, name, label, env)
    try:
        await one.ready()
        yield one
    finally:
        if not one._keeping.done():
            await one.stop()


@asynccontextmanager
async def instead_of(stage: Stage, name: str, **extra: str) -> AsyncIterator[StandIn]:
    """A stand-in takes the place of the managed instance, which comes back afterwards."""
    await stage.terminate(name)
    points = ",".join(f"{one}=1@{stage.arms / one}" for one in sorted(failpoints.NAMES))
    given = {failpoints.VARIABLE: points, **extra}
    if name == "ingest-webhooks":
        given.setdefault("PLUMBLINE_EDGE_LISTEN", stage.edge.removeprefix("http://"))
    try:
        async with one_more(stage, name, "0", **given) as one:
            yield one
    finally:
        await stage.start(name)


async def holds(seconds: float, what: str, says: Callable[[], Awaitable[bool]]) -> float:
    """Seconds until it holds; raises BrokenPromiseError with `what` in words."""
    began = time.monotonic()
    while not await says():
        if time.monotonic() - began > seconds:
            raise BrokenPromiseError(f"{what}: not within {seconds:g} s")
        await asyncio.sleep(0.05)
    return time.monotonic() - began


def bent(**files: Path) -> dict[str, str]:
    """Environment of a process whose clock or polls obey files: `clock=`, `stuck=`."""
    names = {f"CHAOS_{name.upper()}_FILE": str(file) for name, file in files.items()}
    return {"PYTHONPATH": str(BENT), **names}


async def refusals(one: StandIn) -> float:
    """Requests refused for their signature so far, as the edge counts them."""
    async with httpx.AsyncClient(trust_env=False) as http:
        text = (await http.get(f"http://{one.health}/metrics")).text
    lines = [line.rpartition(" ") for line in text.splitlines() if REFUSED in line]
    return sum(float(value) for _, _, value in lines)


def _wait_briefly(process: "subprocess.Popen[bytes]") -> int | None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        return process.wait(0.2)
    return None


def _wait_long(process: "subprocess.Popen[bytes]") -> int:
    try:
        return process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
