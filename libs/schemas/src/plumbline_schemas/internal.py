"""Bodies of Plumbline's own observations: ticks, walk markers, decisions, configuration."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from plumbline_schemas.catalogue import Body


class Tick(Body):
    """Time as an input: "now" is the greatest `as_of` the log has shown so far (design 5)."""

    as_of: datetime


class WalkMarker(Body):
    """A walk of one vendor's book has published everything it saw."""

    status: Literal["completed"] = "completed"
    scope: Literal["initial", "gap", "daily", "weekly"] = "initial"
    rows: dict[str, int] = Field(default_factory=dict)
    """Published rows by kind."""


class Decision(Body):
    """What a person decided. `approve_plan` lets the first writes to the CRM go out."""

    action: Literal["approve_plan"]
    decided_by: str = "cli"
    decided_at: datetime


class ConfigConnection(Body):
    """A connection as far as it changes results; no secret and no address."""

    name: str
    kind: str
    mode: str | None = None


class WorkspaceConfig(Body):
    """Everything of the configuration file that changes results (design 12)."""

    currency: str
    timezone: str = "UTC"
    connections: tuple[ConfigConnection, ...] = ()
    mrr: str = "plumbline"
    unmatched: str = "review"
    personal_domains: str = "skip"
    conflict: str = "overwrite"
    first_write: str = "plan"
    dry_run: bool = False
    fields: dict[str, dict[str, str]] = Field(default_factory=dict)
    """Per record kind (company, contact): our field -> vendor property."""
