"""What `status` says of exchange rates."""

from datetime import UTC, date, datetime
from pathlib import Path

import asyncpg
import pytest
from console import rates
from plumbline_runtime.config import load_config

CONFIG = """
[workspace]
id = "{id}"
currency = "EUR"
"""
RATES = '[rates]\nsource = "https://rates.example/hist.zip?key=hidden"\nevery = "day"\n'
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.server
async def test_each_workspace_with_rates_has_a_line(database_url: str, tmp_path: Path) -> None:
    for name in ("acme", "beta", "gamma", "old"):
        (tmp_path / f"{name}.toml").write_text(CONFIG.format(id=name) + RATES)
    (tmp_path / "none.toml").write_text(CONFIG.format(id="none"))
    db = await asyncpg.connect(database_url)
    try:
        await db.executemany(
            """insert into reconciler.rate_sources
               (workspace, newest_day, checked_at, failing_since, broken, error)
               values ($1, $2, $3, $4, $5, $6)""",
            [
                ("acme", date(2026, 11, 19), AT, None, False, None),
                ("beta", date(2026, 11, 1), AT, AT, True, "line 3: found 'x'"),
                ("none", None, None, None, False, None),
                ("old", date(2026, 5, 29), AT, None, False, None),
            ],
        )
        await db.execute(
            """insert into runtime.attention (workspace, kind, subject, status, summary, details,
                                              opened_at, changed_at, version)
               values ('old', 'failed_rates', 'rates:stale', 'open', 'too old', '{}', $1, $1, 1)""",
            AT,
        )
        found = await rates.standings(db, load_config(tmp_path))
    finally:
        await db.close()
    assert [(one.workspace, one.state, one.newest_day, one.detail) for one in found] == [
        ("acme", "ok", date(2026, 11, 19), ""),
        ("beta", "broken", date(2026, 11, 1), "line 3: found 'x'"),
        ("gamma", "waiting", None, ""),
        ("old", "stale", date(2026, 5, 29), "too old"),
    ]
    assert found[-1].since == AT
    assert {(one.source, one.every) for one in found} == {("https://rates.example/hist.zip", "day")}
