"""Every command of examples/mrr/README.md prints what stands below it there."""

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "examples" / "mrr" / "README.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"```console\n\$ plumbline ([^\n]+)\n(.*?)```", PAGE, flags=re.DOTALL)


def test_five_accounts_are_shown() -> None:
    assert len(SHOWN) == 5


@pytest.mark.parametrize(("line", "printed"), SHOWN, ids=[line.split()[2] for line, _ in SHOWN])
def test_the_page_shows_what_is_printed(
    command: Any, monkeypatch: pytest.MonkeyPatch, line: str, printed: str
) -> None:
    monkeypatch.chdir(ROOT)
    done = command(*line.split())
    assert done.code == 0
    assert done.out.rstrip("\n") == printed.rstrip("\n")
