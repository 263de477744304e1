"""Every failpoint of the product is met by a case."""

import re
from pathlib import Path

from plumbline_runtime import failpoints

CASES = Path(__file__).parent / "cases"


def test_every_failpoint_is_used_by_a_case() -> None:
    named = {
        name
        for source in CASES.glob("*.py")
        for name in re.findall(r'"([a-z]+\.[a-z_]+)"', source.read_text(encoding="utf-8"))
    }
    assert failpoints.NAMES - named == set()
