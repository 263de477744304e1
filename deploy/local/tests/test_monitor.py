"""What is made of the manager's view of a process, and its configuration."""

import signal
from pathlib import Path

import pytest
from plumbline_local.monitor import Watched, given_up, observe
from plumbline_local.paths import Home
from plumbline_local.program import Program
from plumbline_local.supervise import Group, ProcessInfo, State, config_text


def look(state: State, started: int, pid: int | None = 7) -> ProcessInfo:
    return ProcessInfo("matcher", state, pid, started)


@pytest.mark.parametrize(
    ("info", "answers", "expected"),
    [
        (look("STOPPED", 0, None), False, "starting"),
        (look("STARTING", 5), False, "starting"),
        (look("STARTING", 5), True, "up"),
        (look("RUNNING", 5), False, "up"),
        (look("BACKOFF", 5, None), False, "down"),
        (look("FATAL", 5, None), False, "down"),
        (look("EXITED", 5, None), False, "down"),
        (look("STOPPED", 5, None), False, "down"),
        (look("STOPPING", 5), True, "down"),
    ],
)
def test_state(info: ProcessInfo, *, answers: bool, expected: str) -> None:
    assert observe(Watched(), info, answers=answers).state == expected


def test_a_new_start_counts_as_a_restart_once() -> None:
    seen = Watched()
    for started in (0, 5, 5, 9, 9, 12):
        seen = observe(seen, look("RUNNING", started), answers=True)
    assert seen.restarts == 2


def test_fatal_programs_are_begun_anew() -> None:
    infos = {"a": ProcessInfo("a", "FATAL", None, 3), "b": ProcessInfo("b", "BACKOFF", None, 3)}
    assert given_up(infos) == ["a"]


def test_the_configuration_holds_names_but_no_environment_and_no_paths() -> None:
    home = Home(Path("/odd %place; #1"))
    program = Program(
        "matcher",
        ("/bin/x", "--secret"),
        env={"TOKEN": "s3cret"},
        stop_signal=signal.SIGINT,
    )
    text = config_text(
        [Group("services", [program], 2, False, 5, 20)], home.root / "supervisor.sock", home
    )
    assert "matcher" in text
    assert "stopsignal = INT" in text
    assert "s3cret" not in text
    assert "--secret" not in text
    assert "odd" not in text
