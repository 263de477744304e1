"""The console writes nothing but observations, into the log: decisions and configuration."""

import os
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg
from plumbline_runtime.config import DeploymentConfig, log_config
from plumbline_runtime.producer import Producer
from plumbline_runtime.settings import Settings
from plumbline_schemas.ids import OWN
from plumbline_schemas.internal import WorkspaceConfig
from plumbline_schemas.observations import AnyObservation, ConfigObservation

PATIENCE_SECONDS = "30"
"""Topics that were just made on a busy machine take seconds to have a leader."""


async def publish(kafka: str, observations: Sequence[AnyObservation]) -> None:
    """Publish and wait for the acknowledgement of all replicas."""
    settings = Settings.from_environment(
        "console",
        {
            "KAFKA_BOOTSTRAP_SERVERS": kafka,
            "DATABASE_URL": "unused",
            "PLUMBLINE_PUBLISH_TIMEOUT_SECONDS": PATIENCE_SECONDS,
            "PLUMBLINE_TOPIC_PREFIX": os.environ.get("PLUMBLINE_TOPIC_PREFIX", ""),
        },
    )
    producer = Producer(settings)
    await producer.start()
    try:
        await producer.publish_observations(observations)
    finally:
        await producer.stop()


async def apply_config(
    db: asyncpg.Connection, kafka: str, config: DeploymentConfig, now: datetime
) -> list[str]:
    """Append each workspace's configuration to its log where it differs from the last one folded.

    Returns the workspaces that changed. One that is appended twice before it was folded is the same
    configuration with a later revision, which folds to no change.
    """
    rows = await db.fetch("select workspace, revision, body from matcher.config_view")
    known = {row["workspace"]: row for row in rows}
    changed: list[ConfigObservation] = []
    for workspace in config.workspaces:
        body = log_config(workspace)
        last = known.get(workspace.id)
        if last is not None and _as_published(last["body"]) == body:
            continue  # a setting of a newer version that has its default is no change
        revision = max(int(now.timestamp() * 1000), (last["revision"] + 1) if last else 0)
        changed.append(
            ConfigObservation(
                workspace=workspace.id,
                connection=OWN,
                id="workspace",
                vendor_time_ms=revision,
                seen="event",
                origin="console",
                received_at=now,
                body=body,
            )
        )
    if changed:
        await publish(kafka, changed)
    return [observation.workspace for observation in changed]


def _as_published(stored: Any) -> WorkspaceConfig:
    """What the log held: the fold has added the connections of before."""
    return WorkspaceConfig.model_validate(stored).model_copy(update={"former": ()})
