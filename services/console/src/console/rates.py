"""Where each workspace's exchange rates stand, for `plumbline status`."""

import asyncpg
from plumbline_runtime.config import DeploymentConfig, RatesSection
from plumbline_schemas.outputs import RatesStatus


async def standings(db: asyncpg.Connection, config: DeploymentConfig) -> list[RatesStatus]:
    """One for each workspace whose file has `[rates]`."""
    wanted = [(one.id, one.rates) for one in config.workspaces if one.rates is not None]
    rows = await db.fetch(
        """select workspace, newest_day, checked_at, failing_since, broken, error
           from reconciler.rates_view"""
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
        state="ok" if since is None else "broken" if row["broken"] else "failing",
        since=since,
        detail=row["error"] or "",
    )
