"""A killed service is down at once, also while its parent has not noticed."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
from console.status import unreachable
from plumbline_local.run import RunService
from plumbline_schemas.outputs import ServiceStatus


def told(pid: int | None) -> ServiceStatus:
    run = RunService(
        name="matcher", pid=pid, state="up", restarts=0, health_url="", log=Path("matcher.log")
    )
    [found] = unreachable([run], None).services
    return found


def test_a_process_that_was_killed_and_not_yet_buried_is_down() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        assert told(child.pid).state == "starting"
        child.kill()
        deadline = time.monotonic() + 10
        while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline
        found = told(child.pid)
        assert (found.state, found.pid, found.detail) == ("down", None, "the process is gone")
    finally:
        child.kill()
        child.wait()
    assert told(child.pid).state == "down"
