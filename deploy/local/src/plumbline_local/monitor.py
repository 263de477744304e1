"""What the manager's view of the processes means: state and restarts of each, over time. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from plumbline_local.run import ServiceState
from plumbline_local.supervise import ProcessInfo


@dataclass(frozen=True)
class Watched:
    """One process as reported: `started` is the latest start the count of restarts knows."""

    pid: int | None = None
    state: ServiceState = "starting"
    restarts: int = 0
    started: int = 0


def observe(before: Watched, info: ProcessInfo, *, answers: bool) -> Watched:
    """Fold one look at a process. `answers` is whether its liveness check does: a young process
    that answers is up, although the manager still waits whether it stays."""
    restarted = before.started != 0 and info.started not in (before.started, 0)
    return replace(
        before,
        pid=info.pid,
        state=_state(info, answers=answers),
        restarts=before.restarts + int(restarted),
        started=info.started or before.started,
    )


def _state(info: ProcessInfo, *, answers: bool) -> ServiceState:
    if info.state == "RUNNING" or (info.state == "STARTING" and answers):
        return "up"
    if info.state == "STARTING" or (info.state == "STOPPED" and info.started == 0):
        return "starting"
    return "down"


def given_up(infos: Mapping[str, ProcessInfo]) -> list[str]:
    """Programs whose back-off the manager has exhausted; they are begun anew."""
    return [info.name for info in infos.values() if info.state == "FATAL"]
