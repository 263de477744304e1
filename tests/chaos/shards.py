"""Several deployments beside each other, each in a process of its own, and one list of outcomes.

A deployment takes the next case when it is done with one: all runs of a case are in a row on the
same deployment.
"""

import asyncio
import multiprocessing
import queue
import shutil
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.chaos.registry import Case, load_cases
from tests.chaos.run import Outcome, play, replay_everything
from tests.chaos.stage import open_stage

if TYPE_CHECKING:
    from multiprocessing.queues import Queue
    from multiprocessing.synchronize import Lock

LOOK_SECONDS = 1.0
"""How often it is looked whether a deployment's process has died."""


@dataclass(frozen=True)
class Order:
    """What is to be played: `times` runs of each case, the first with the number `first`.

    With `replay` the last run of each case is replayed, and everything in the end (I6).
    """

    cases: Sequence[Case]
    times: int
    first: int = 1
    replay: bool = True


class Shard(NamedTuple):
    """What a deployment needs to know beside the names of cases; as in `Order`."""

    times: int
    first: int
    replay: bool
    turn: "Lock"
    """Deployments start one after the other: that is the heaviest minute of each."""


def play_all(
    folder: Path, order: Order, jobs: int, tell: Callable[[Outcome], None]
) -> tuple[list[Outcome], list[str]]:
    """Outcomes, each told as it comes, and what to say of deployments that ended too early."""
    context = multiprocessing.get_context("spawn")
    names: Queue[str] = context.Queue()
    done: Queue[Outcome] = context.Queue()
    turn = context.Lock()
    for case in order.cases:
        names.put(case.name)
    workers = []
    for number in range(jobs):
        names.put("")
        place = folder / str(number + 1) if jobs > 1 else folder
        given = (place, Shard(order.times, order.first, order.replay, turn), names, done)
        workers.append(context.Process(target=work, args=given, name=f"deployment {number + 1}"))
    for worker in workers:
        worker.start()
    try:
        return _collect(order, workers, done, tell)
    finally:
        for worker in workers:
            if worker.is_alive():
                worker.terminate()
            worker.join()


def _collect(
    order: Order,
    workers: Sequence[BaseProcess],
    done: "Queue[Outcome]",
    tell: Callable[[Outcome], None],
) -> tuple[list[Outcome], list[str]]:
    outcomes: list[Outcome] = []
    while True:
        alive = any(worker.is_alive() for worker in workers)
        try:
            # What a process that has ended said is all there: it ends after its queue's flush.
            outcome = done.get(timeout=LOOK_SECONDS if alive else 0.1)
        except queue.Empty:
            if not alive:
                return outcomes, broken(order, workers, outcomes)
            continue
        outcomes.append(outcome)
        tell(outcome)


def broken(order: Order, workers: Sequence[BaseProcess], outcomes: Sequence[Outcome]) -> list[str]:
    """Deployments that failed, and cases that therefore had fewer runs than they should."""
    found = [
        f"{worker.name} ended with status {worker.exitcode}"
        for worker in workers
        if worker.exitcode != 0
    ]
    for case in order.cases:
        runs = sum(outcome.case == case.name for outcome in outcomes)
        if runs != order.times:
            found.append(f"{case.name} had {runs} runs of {order.times}")
    return found


def work(folder: Path, given: Shard, names: "Queue[str]", done: "Queue[Outcome]") -> None:
    """One deployment: takes names of cases until it gets an empty one."""
    shutil.rmtree(folder / "home", ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(_work(folder, given, names, done))


async def _work(folder: Path, given: Shard, names: "Queue[str]", done: "Queue[Outcome]") -> None:
    cases = load_cases()
    numbers = range(given.first, given.first + given.times)
    await asyncio.to_thread(given.turn.acquire)
    async with AsyncExitStack() as stack:
        try:
            stage = await stack.enter_async_context(open_stage(folder))
        finally:
            given.turn.release()
        while name := await asyncio.to_thread(names.get):
            for number in numbers:
                again = given.replay and number == numbers[-1]
                done.put(await play(stage, cases[name], number, replay=again))
        if given.replay:
            done.put(await replay_everything(stage))
