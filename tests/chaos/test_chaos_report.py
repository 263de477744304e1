"""The one report of several deployments: times by phase, and nothing that is missing passes."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.chaos.__main__ import longest_first, report
from tests.chaos.registry import Case
from tests.chaos.run import Outcome, Spent
from tests.chaos.shards import Order, broken


async def _nothing(_: Any) -> None:
    return None


def _case(name: str, *, everyday: bool = True, soak: bool = True, settle: float = 20.0) -> Case:
    return Case(name, "1", _nothing, settle, soak, everyday)


def _run(case: str, number: int, missing: str | None = None) -> Outcome:
    return Outcome(case, number, Spent(1.0, 2.0, 0.5, 4.0), [], missing)


def test_seconds_of_all_deployments_are_summed_by_phase(capsys: pytest.CaptureFixture[str]) -> None:
    assert report([_run("one", 1), _run("one", 2), _run("two", 1)], [], 9.0) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["one", "2", "0", "15.0", "2.0", "4.0", "1.0", "8.0"] in lines
    assert ["all", "3", "0", "22.5", "3.0", "6.0", "1.5", "12.0"] in lines
    assert lines[-1][:4] == ["3", "runs,", "0", "violations,"]


def test_a_fault_that_did_not_come_about_is_a_violation() -> None:
    assert report([_run("one", 1, "it did not fire")], [], 9.0) == 1


def test_a_deployment_that_died_and_runs_that_lack_are_violations() -> None:
    order = Order([_case("one"), _case("two")], 2)
    workers = [
        SimpleNamespace(name="deployment 1", exitcode=0),
        SimpleNamespace(name="deployment 2", exitcode=-9),
    ]
    outcomes = [_run("one", 1), _run("one", 2), _run("two", 1)]
    found = broken(order, cast("Any", workers), outcomes)
    assert found == ["deployment 2 ended with status -9", "two had 1 runs of 2"]
    assert report(outcomes, found, 9.0) == 1


def test_long_cases_come_first() -> None:
    cases = [
        _case("short"),
        _case("drill", everyday=False, soak=False, settle=120.0),
        _case("infrastructure", everyday=False, settle=40.0),
    ]
    assert [case.name for case in longest_first(cases)] == ["drill", "infrastructure", "short"]
