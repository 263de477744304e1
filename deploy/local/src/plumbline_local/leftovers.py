"""Ends what a killed deployment left running, so that the next start on its home finds nobody
there.

The caller holds the home's lock, so nothing found here belongs to a living deployment. A process
is a leftover when its environment names the home in PLUMBLINE_SUPERVISED_HOME, which only
launch.py sets, or when it is a PostgreSQL worker (those overwrite their environment) whose
working directory is the cluster.
"""

import os
from collections.abc import Iterable, Sequence

import psutil

from plumbline_local.paths import Home
from plumbline_local.program import OWNER

GRACE_SECONDS = 3.0


def find_leftovers(home: Home) -> list[psutil.Process]:
    """The leftovers of the home; this process and its ancestors are never among them."""
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    return [
        process
        for process in psutil.process_iter()
        if process.pid not in own and _belongs_to(process, home)
    ]


def _belongs_to(process: psutil.Process, home: Home) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        if process.environ().get(OWNER) == str(home.root):
            return True
        return process.name() == "postgres" and process.cwd() == str(home.postgres / "data")
    except (psutil.Error, OSError):
        return False  # another user's process, or one that has just ended


def end_leftovers(home: Home, grace_seconds: float = GRACE_SECONDS) -> int:
    """End them: managers at once, since they would restart what ends; the others get the grace
    first.

    Returns how many there were.
    """
    found = find_leftovers(home)
    managers = [process for process in found if _is_manager(process)]
    _signal(managers, kill=True)
    _signal([process for process in found if process not in managers], kill=False)
    _, alive = psutil.wait_procs(found, timeout=grace_seconds)
    while alive:
        _signal(alive, kill=True)
        psutil.wait_procs(alive, timeout=grace_seconds)
        alive = find_leftovers(home)
    return len(found)


def _is_manager(process: psutil.Process) -> bool:
    try:
        command: Sequence[str] = process.cmdline()
    except (psutil.Error, OSError):
        return False
    return "supervisor.supervisord" in command


def _signal(processes: Iterable[psutil.Process], *, kill: bool) -> None:
    for process in processes:
        try:
            if kill:
                process.kill()
            else:
                process.terminate()
        except psutil.NoSuchProcess:
            continue
