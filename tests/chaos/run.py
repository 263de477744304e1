"""Plays one case once: traffic and fault, healing, quiet, verdict."""

import time
from dataclasses import dataclass

from tests.chaos.evidence import Course
from tests.chaos.invariants import Finding, judge, violations
from tests.chaos.registry import Case
from tests.chaos.stage import FaultMissingError, NotSettledError, Stage
from tests.chaos.vendors import seeded


@dataclass(frozen=True)
class Outcome:
    """One run of one case."""

    case: str
    number: int
    seconds: float
    findings: list[Finding]
    missing: str | None
    replay_seconds: float = 0.0
    """Of `seconds`, those of the redelivery (I6)."""

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
    missing = None
    try:
        await case.play(stage)
    except FaultMissingError as error:
        missing = str(error)
    await stage.vendors.heal()
    try:
        stage.course.settled_seconds = await stage.settle(case.settle_seconds)
        await stage.ready(30)
    except NotSettledError:
        stage.course.settled_seconds = None
    evidence = await stage.evidence()
    judged = time.monotonic()
    if positions is not None and stage.course.settled_seconds is not None:
        stage.course.replay = await stage.replay(positions)
    findings = judge(evidence, stage.course)
    ended = time.monotonic()
    return Outcome(case.name, number, ended - began, findings, missing, ended - judged)
