"""Where each workspace's exchange rates stand, for `plumbline status`."""

from typing import Literal

import asyncpg
from plumbline_runtime.config import DeploymentConfig, RatesSection
from plumbline_schemas.attention import STALE_RATES
from plumbline_schemas.outputs import RatesStatus


async def standings(db: asyncpg.Connection, config: DeploymentConfig) -> list[RatesStatus]:
    """One for each workspace whose file has `[rates]`."""
    wanted = [(one.id, one.rates) for one in config.workspaces if one.rates is not None]
    rows = await db.fetch(
        """select r.workspace, newest_day, checked_at, failing_since, broken, error,
                  a.summary as stale, a.opened_at as stale_since
           from reconciler.rates_view r
           left join runtime.attention_view a
               on a.workspace = r.workspace and a.kind = 'failed_rates' and a.subject = $1
                  and a.status = 'open'""",
        STALE_RATES,
    )
    known = {row["workspace"]: row for row in rows}
    return [standing(workspace, section, known.get(workspace)) for workspace, section in wanted]


def standing(workspace: str, section: RatesSection, row: "asyncpg.Record | None") -> RatesStatus:
    """What the reconciler has noted; nothing before its first look."""
    if row is None:
        return RatesStatus(
            workspace=workspace, source=section.shown, every=section.every, newest_day=None,
            checked_at=None, state="waiting",
        )  # fmt: skip
    since = row["failing_since"]
    return RatesStatus(
        workspace=workspace,
        source=section.shown,
        every=section.every,
        newest_day=row["newest_day"],
        checked_at=row["checked_at"],
        state=_state(row),
        since=since or row["stale_since"],
        detail=row["error"] or row["stale"] or "",
    )


def _state(row: "asyncpg.Record") -> Literal["ok", "stale", "failing", "broken"]:
    if row["failing_since"] is not None:
        return "broken" if row["broken"] else "failing"
    return "ok" if row["stale"] is None else "stale"
