"""What it takes to start a process of a deployment; carried out by launch.py."""

import json
import signal
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

LAUNCHER = Path(__file__).with_name("launch.py")
PROGRAMS = "PLUMBLINE_PROGRAMS"
OWNER = "PLUMBLINE_SUPERVISED_HOME"
"""In the environment of every process a deployment starts: how the next start finds leftovers."""


@dataclass(frozen=True)
class Program:
    """A command with its surroundings. `argv[0]` is an absolute path.

    `inherit` hands on the whole environment of the starter; without it the program gets a clean
    one. `identity` is how it sheds root (identity.py). `stop_signal` ends it cleanly, also when
    its parent dies. `holds_signals`: SIGTERM and SIGINT are held back from before the exec on; the
    program lets them in itself once it can obey them.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    inherit: bool = False
    identity: str = "same"
    stop_signal: signal.Signals = signal.SIGTERM
    holds_signals: bool = False


def launch_command(name: str) -> list[str]:
    """The command that starts program `name`, given the environment of `launch_environment`."""
    return [sys.executable, "-I", "-S", str(LAUNCHER), name]


def launch_environment(
    programs: Iterable[Program], home: Path | None = None, *, follow_parent: bool = True
) -> dict[str, str]:
    """The variable launch.py reads. `home` marks the processes as that home's."""
    owner = {OWNER: str(home)} if home else {}
    entries = {
        program.name: {
            "argv": program.argv,
            "env": {**program.env, **owner},
            "cwd": str(program.cwd) if program.cwd else "",
            "inherit": program.inherit,
            "identity": program.identity,
            "holds_signals": program.holds_signals,
            "parent_signal": int(program.stop_signal) if follow_parent else 0,
        }
        for program in programs
    }
    return {PROGRAMS: json.dumps(entries)}
