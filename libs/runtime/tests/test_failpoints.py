"""Failpoints: which hit fires, once across processes, and what a wrong list is answered with."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from plumbline_runtime import failpoints
from plumbline_runtime.secrets import ConfigError

ROOT = Path(__file__).parents[3]
CHILD = """
from plumbline_runtime import failpoints
failpoints.arm()
for number in range(1, 5):
    failpoints.hit("matcher.before_commit")
    print(number, flush=True)
"""


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    failpoints.arm("")


def run(points: str) -> tuple[int, int]:
    """Exit status of a process that passes a point four times, and how far it came."""
    environment = {"PLUMBLINE_FAILPOINTS": points, "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, len(done.stdout.split())


def test_unarmed_nothing_happens() -> None:
    assert run("") == (0, 4)
    assert run("edge.after_ack=1") == (0, 4)


def test_the_nth_hit_ends_the_process_in_every_life() -> None:
    for _ in range(2):
        assert run("matcher.before_commit=3, edge.after_ack=1") == (137, 2)


def test_with_a_file_it_happens_once(tmp_path: Path) -> None:
    arm = tmp_path / "arm"
    points = f"matcher.before_commit=2@{arm}"
    assert run(points) == (0, 4), "no file, not armed"
    arm.touch()
    assert run(points) == (137, 1)
    assert not arm.exists()
    assert run(points) == (0, 4)


def test_the_files_text_says_when(tmp_path: Path) -> None:
    arm = tmp_path / "arm"
    arm.write_text("4")
    assert run(f"matcher.before_commit=1@{arm}") == (137, 3)


def test_a_block_blocks_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arm = tmp_path / "arm"
    arm.write_text("1:block:0.2")
    slept: list[float] = []
    monkeypatch.setattr(failpoints.time, "sleep", slept.append)
    failpoints.arm(f"matcher.after_commit=1@{arm}")
    failpoints.hit("matcher.after_commit")
    failpoints.hit("matcher.after_commit")
    assert slept == [0.2]


async def test_during_lets_the_call_begin_and_returns_its_answer(tmp_path: Path) -> None:
    arm = tmp_path / "arm"
    arm.write_text("1:block:0")
    failpoints.arm(f"writeback.during_call=1@{arm}")

    async def call() -> int:
        await asyncio.sleep(0)
        return 7

    assert await failpoints.during("writeback.during_call", call()) == 7
    assert not arm.exists()
    assert await failpoints.during("writeback.during_call", call()) == 7


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("matcher.before_lunch=1", ("matcher.before_lunch", "matcher.before_commit")),
        ("edge.after_ack=soon", ("soon", "COUNT")),
        ("edge.after_ack=0", ("'0'", "COUNT")),
        ("edge.after_ack=1:explode:1", ("explode",)),
    ],
)
def test_a_wrong_list_is_named(text: str, words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as caught:
        failpoints.arm(text)
    for word in words:
        assert word in str(caught.value)


def test_every_point_is_passed_somewhere_and_every_hit_is_a_point() -> None:
    passed = set()
    for source in (ROOT / "services").glob("*/src/**/*.py"):
        passed |= set(re.findall(r'failpoints\.(?:hit|during)\(\s*"([^"]+)"', source.read_text()))
    # The consumer boundary is every service's: it names the point after its group.
    boundary = (ROOT / "libs/runtime/src/plumbline_runtime/consumption.py").read_text()
    taken = re.findall(r'failpoints\.hit\(f"\{self\.group\}\.(\w+)"\)', boundary)
    assert taken == ["batch_taken"]
    passed |= {name for name in failpoints.NAMES if name.endswith(".batch_taken")}
    assert passed == failpoints.NAMES
