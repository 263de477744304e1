"""Plays one case once: traffic and fault, healing, quiet, verdict."""

import contextlib
import time
import traceback
from collections.abc import Awaitable
from dataclasses import dataclass, replace

from tests.chaos.evidence import Course
from tests.chaos.invariants import Finding, judge, violations
from tests.chaos.registry import Case
from tests.chaos.stage import FaultMissingError, NotSettledError, Stage
from tests.chaos.vendors import seeded

READY_SECONDS = 30.0
LATE_SECONDS = 240.0


@dataclass(frozen=True)
class Spent:
    """Seconds of a run: the case, until all was quiet, gathering and judging, redelivery (I6)."""

    acting: float
    settling: float
    judging: float
    replay: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """One run of one case."""

    case: str
    number: int
    spent: Spent
    findings: list[Finding]
    missing: str | None

    @property
    def seconds(self) -> float:
        """All of the run."""
        return self.spent.acting + self.spent.settling + self.spent.judging + self.spent.replay

    @property
    def violations(self) -> list[str]:
        """Empty when every invariant held and the fault did happen."""
        absent = [f"did not come about: {self.missing}"] if self.missing else []
        return absent + violations(self.findings)


async def play(stage: Stage, case: Case, number: int, *, replay: bool = False) -> Outcome:
    """Run `number` of a case; `replay` adds a redelivery of everything since its begin (I6)."""
    began = time.monotonic()
    stage.chance = seeded(case.name, number)
    stage.course = Course(settle_limit=case.settle_seconds)
    positions = await stage.positions() if replay else None
    missing = await _told(case.play(stage))
    await stage.vendors.heal()
    acted = time.monotonic()
    stage.course.settled_seconds = await settle(stage, case.settle_seconds)
    settled = time.monotonic()
    gathered = judged = time.monotonic()
    findings: list[Finding] = []
    try:
        evidence = await stage.evidence()
        gathered = time.monotonic()
        if positions is not None and stage.course.settled_seconds is not None:
            missing = await _told(_replay(stage, positions)) or missing
        judged = time.monotonic()
        findings = judge(evidence, stage.course)
    except Exception as error:  # noqa: BLE001 - told as a violation
        traceback.print_exc()
        missing = missing or f"no evidence: {type(error).__name__}: {error}"
    spent = Spent(
        acted - began, settled - acted, gathered - settled + time.monotonic() - judged,
        judged - gathered,
    )  # fmt: skip
    return Outcome(case.name, number, spent, findings, missing)


async def settle(stage: Stage, seconds: float) -> float | None:
    """Seconds until all was quiet, None when it took longer than it may (I7).

    It is waited for all the same: what is late is not lost, and the next run begins at rest.
    """
    try:
        took = await stage.settle(seconds)
        await stage.ready(READY_SECONDS)
    except NotSettledError:
        with contextlib.suppress(NotSettledError):
            await stage.settle(LATE_SECONDS)
            await stage.ready(READY_SECONDS)
        return None
    return took


async def _replay(stage: Stage, positions: list[tuple[str, str, int, int]]) -> None:
    stage.course.replay = await stage.replay(positions)


async def _told(step: Awaitable[None]) -> str | None:
    """What went wrong with a step, in words: a violation of this run, and the next run is played.

    Anything may meet a deployment that a fault has left in a bad way.
    """
    try:
        await step
    except FaultMissingError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - told as a violation
        traceback.print_exc()
        return f"{type(error).__name__}: {error}"
    return None


async def replay_everything(stage: Stage) -> Outcome:
    """Redelivery from offset 0 and a rebuild, as a run of its own."""

    async def nothing(_: Stage) -> None:
        stage.course.replay = await stage.replay()

    whole = Case("replay-from-offset-0", "I6", nothing, 60.0, soak=False)
    outcome = await play(stage, whole, 1)
    spent = outcome.spent
    return replace(outcome, spent=replace(spent, acting=0.0, replay=spent.acting))
