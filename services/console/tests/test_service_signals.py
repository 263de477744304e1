"""Every service obeys SIGTERM from its exec on: also one that came while Python was starting."""

import signal
import subprocess
import sys

import pytest
from console.up import SERVICES


def _start_held_back(module: str) -> "subprocess.Popen[bytes]":
    """As the launcher of the local deployment does; a process inherits what is held back."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
    try:
        return subprocess.Popen([sys.executable, "-m", module], env={})
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@pytest.mark.parametrize("module", SERVICES.values())
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_was_held_back_ends_it_with_zero_before_it_begins(module, number):
    process = _start_held_back(module)
    process.send_signal(number)
    assert process.wait(60) == 0
