"""`plumbline plan`: what waits for a person, and the decision that lets it go."""

from datetime import datetime

import asyncpg
from plumbline_runtime.config import DeploymentConfig
from plumbline_schemas.decisions import FIRST_WRITE
from plumbline_schemas.ids import OWN
from plumbline_schemas.internal import Decision
from plumbline_schemas.observations import DecisionObservation
from plumbline_schemas.outputs import PlanField, PlanRecord

from console.publishing import publish


async def waiting_plan(db: asyncpg.Connection) -> list[PlanRecord]:
    """Every held write, per record and property that would change."""
    rows = await db.fetch(
        """select workspace, connection, record_key, account_id, desired, seen
           from writeback.plan_view where state = 'held'
           order by workspace, connection, record_key"""
    )
    return [
        PlanRecord(
            workspace=row["workspace"],
            connection=row["connection"],
            record=row["record_key"],
            account=row["account_id"],
            fields=[
                PlanField(property=name, now=(row["seen"] or {}).get(name), then=value)
                for name, value in sorted(row["desired"].items())
                if ((row["seen"] or {}).get(name) or "") != (value or "")
            ],
        )
        for row in rows
    ]


async def approve_first_write(kafka: str, config: DeploymentConfig, now: datetime) -> None:
    """Write the decision into the log of every workspace: only there does it count."""
    decisions = [
        DecisionObservation(
            workspace=workspace.id,
            connection=OWN,
            id=FIRST_WRITE,
            vendor_time_ms=int(now.timestamp() * 1000),
            seen="event",
            origin="console",
            received_at=now,
            body=Decision(action="approve_plan", decided_at=now),
        )
        for workspace in config.workspaces
    ]
    await publish(kafka, decisions)
