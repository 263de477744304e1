"""docs/operations.md says what the code measures and the rules alert on: no more, no less."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
RULES = (ROOT / "deploy/prometheus/rules/plumbline.yml").read_text(encoding="utf-8")
TESTS = (ROOT / "deploy/prometheus/tests/plumbline_test.yml").read_text(encoding="utf-8")


def entries(word: str) -> list[dict[str, str]]:
    """The rules of one sort; promtool reads the YAML, here its own regular layout will do."""
    found = []
    for block in re.split(r"\n(?=      - (?:alert|record): )", RULES)[1:]:
        fields = dict(re.findall(r"(\w+): (?:>-\n +)?\"?([^\n\"]+)", block))
        fields["expr"] = block.split("expr: >-\n")[1].split("\n")[0].strip()
        if word in fields:
            found.append(fields)
    return found


ALERTS, RECORDS = entries("alert"), entries("record")
DECLARED = re.compile(r'\b(Counter|Gauge|Histogram)\(\s*"(plumbline_\w+)"')
SUFFIXES = re.compile(r"_(bucket|count|sum)$")


def measured() -> dict[str, str]:
    """Metric -> its kind, as declared anywhere in the code."""
    return {
        name: kind
        for folder in ("libs", "services")
        for path in (ROOT / folder).rglob("src/**/*.py")
        for kind, name in DECLARED.findall(path.read_text(encoding="utf-8"))
    }


def named(text: str) -> set[str]:
    """Metrics that an expression asks for, by the name they are declared with."""
    found = set(re.findall(r"\bplumbline_\w+", text))
    return {SUFFIXES.sub("", name) if name not in measured() else name for name in found}


def test_every_metric_is_in_the_table_and_nothing_else() -> None:
    table = set(re.findall(r"^\| `(plumbline_\w+)` \|", DOCS, re.MULTILINE))
    assert table == set(measured())


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: str(rule["alert"]))
def test_every_alert_has_severity_summary_runbook_and_tests(rule: dict[str, str]) -> None:
    name = rule["alert"]
    assert rule["labels"] in {"{severity: critical}", "{severity: warning}"}
    assert rule["summary"]
    assert rule["runbook_url"] == f"docs/operations.md#{name.lower()}"
    assert f"\n### {name}\n" in DOCS
    for case in ("fires", "stays quiet"):
        assert f"    name: {name} {case}\n" in TESTS


def test_the_rules_were_read() -> None:
    assert len(ALERTS) == RULES.count("- alert: ") > 20
    assert len(RECORDS) == RULES.count("- record: ") > 5


def test_no_runbook_without_its_alert() -> None:
    named_there = set(re.findall(r"^### (Plumbline\w+)$", DOCS, re.MULTILINE))
    assert named_there == {rule["alert"] for rule in ALERTS}


def test_rules_ask_for_metrics_that_exist() -> None:
    for rule in ALERTS + RECORDS:
        assert named(rule["expr"]) <= set(measured()), rule


def test_recordings_that_are_asked_for_are_made() -> None:
    made = {rule["record"] for rule in RECORDS}
    dashboard = (ROOT / "deploy/grafana/plumbline.json").read_text(encoding="utf-8")
    asked = set(re.findall(r"plumbline:[\w:]+", " ".join(r["expr"] for r in ALERTS) + dashboard))
    assert asked <= made


def test_counters_end_in_total_and_times_are_seconds() -> None:
    for name, kind in measured().items():
        assert (kind == "Counter") == name.endswith("_total"), name
        assert not re.search(r"_(ms|millis|minutes)\b", name), name


def test_the_dashboard_is_what_its_data_says() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "deploy/grafana/generate.py", "--check"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
