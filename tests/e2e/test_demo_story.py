"""The demo as a user runs it: every value of the story and of the whole book is right."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.server, pytest.mark.timeout(240)]
PLUMBLINE = Path(sys.executable).parent / "plumbline"


def test_the_demo_tells_its_story_without_a_wrong_value(tmp_path: Path) -> None:
    environment = {**os.environ, "PLUMBLINE_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [PLUMBLINE, "demo", "--exit"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=220, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every value is right" in done.stdout
    assert done.stdout.count(" 0 wrong") == 2
    assert "2 to review" in done.stdout
    for working in ("x 1.1 USD for one EUR", "HELLO25 25 % off", "a year is 12 months"):
        assert working in done.stdout
    logs = "".join(path.read_text() for path in (tmp_path / "home" / "logs").glob("*.log"))
    for secret in ("sk_test_demo", "whsec_demo", "pat-na1-demo", "demo-client-secret"):
        assert secret not in logs
    assert '"level":"critical"' not in logs
    assert "Traceback" not in logs
