"""Rules of the house that a machine can check."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from plumbline_schemas.fields import FIELDS

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path
    for folder in ("libs", "services", "deploy", "tests", "bench")
    for path in (ROOT / folder).rglob("*.py")
    if ".venv" not in path.parts
)
SERVICES = ("ingest-webhooks", "matcher", "writeback", "reconciler")
FORBIDDEN_NAMES = {"utils.py", "common.py", "helpers.py", "core.py", "base.py"}


def is_test(path: Path) -> bool:
    return "tests" in path.parts


def test_there_are_sources() -> None:
    assert len(SOURCES) > 50


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_fit_a_reader(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    limit = 500 if is_test(path) else 300
    assert text.count("\n") <= limit, f"{path}: more than {limit} lines"
    if is_test(path):
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= 50, f"{path}:{node.lineno} {node.name} has {length} lines"


def test_no_module_without_a_noun_of_the_field() -> None:
    assert [path for path in SOURCES if path.name in FORBIDDEN_NAMES] == []


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_the_same_files(service: str) -> None:
    package = ROOT / "services" / service / "src" / service.replace("-", "_")
    for name in ("main.py", "settings.py", "handle.py", "store.py", "migrations"):
        assert (package / name).exists(), f"{service} lacks {name}"


def test_imports_point_one_way() -> None:
    tool = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([tool], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_no_committed_registry_address() -> None:
    for path in (ROOT / "requirements").iterdir():
        assert not re.search(r"https?://|--(extra-)?index-url", path.read_text()), path


def test_every_pin_has_a_hash() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        text = path.read_text()
        pins = len(re.findall(r"^[A-Za-z0-9_.\[\]-]+==", text, re.MULTILINE))
        with_hash = len(
            re.findall(r"^[A-Za-z0-9_.\[\]-]+==[^\n]*\\\n\s+--hash=", text, re.MULTILINE)
        )
        assert pins == with_hash > 0, path


def test_readme_lists_every_field_with_its_property() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name, spec in FIELDS.items():
        mark = "" if spec.default else " (not by default)"
        assert f"| {name} | `{spec.default_property}`{mark} |" in readme


def test_every_make_target_has_a_help_line() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in ("setup", "demo", "up", "test", "lint", "bench", "clean"):
        assert re.search(rf"^{target}:.*## \S", makefile, re.MULTILINE), target


def test_addresses_in_fixtures_can_never_be_mailed() -> None:
    pattern = re.compile(r"[\w.+-]+@((?:[\w-]+\.)+[a-z]{2,})", re.IGNORECASE)
    personal = {"gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "hey.com", "yahoo.com"}
    for path in SOURCES:
        for domain in pattern.findall(path.read_text(encoding="utf-8")):
            ok = domain.lower().endswith(".example") or domain.lower() in personal
            assert ok, f"{path}: address at {domain}"
