"""The launcher holds signals back for programs that let them in themselves, and for no others."""

import os
import subprocess
import sys

import pytest
from plumbline_local.program import Program, launch_command, launch_environment

HELD = "import signal; print(sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, ()))))"


@pytest.mark.parametrize(("holds", "held"), [(True, "[2, 15]"), (False, "[]")])
def test_signals_are_held_back_over_the_exec(holds: bool, held: str) -> None:
    program = Program("one", (sys.executable, "-c", HELD), inherit=True, holds_signals=holds)
    done = subprocess.run(
        launch_command("one"),
        env={**os.environ, **launch_environment([program])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == held
