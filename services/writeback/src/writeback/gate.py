"""The gate: nothing is written to a CRM before the books are known and a person agreed (design 6).

Configuration and the word of a person come from the workspace's log, never from the file, so a
replay reaches the same answer at the same place.
"""

from collections.abc import Collection
from typing import Final, NamedTuple

from plumbline_domain.ownership import ConflictPolicy
from plumbline_schemas.internal import WorkspaceConfig

OPEN: Final = ""
CONFIG: Final = "config"
WALKS: Final = "walks"
DRY_RUN: Final = "dry_run"
PLAN: Final = "plan"
HOLDS: Final = frozenset({CONFIG, WALKS, DRY_RUN, PLAN})

CRM_CONNECTION_KINDS: Final = frozenset({"hubspot"})


class WorkspaceFacts(NamedTuple):
    """What the log has said about a workspace."""

    workspace: str
    config: WorkspaceConfig | None = None
    config_revision: int = 0
    approved_revision: int | None = None
    gate: str = CONFIG
    """As of the last stored change."""

    @property
    def conflict_policy(self) -> ConflictPolicy:
        """What happens when a person edited a field we own."""
        found = None if self.config is None else self.config.conflict
        return "keep" if found == "keep" else "queue" if found == "queue" else "overwrite"

    def mapping(self, connection: str, kind: str) -> dict[str, str]:
        """Our field -> property for a record kind; empty when nothing may be written there."""
        if self.config is None:
            return {}
        crm = {c.name for c in self.config.connections if c.kind in CRM_CONNECTION_KINDS}
        return self.config.fields.get(kind, {}) if connection in crm else {}


def gate_of(facts: WorkspaceFacts, walked: Collection[str]) -> str:
    """Why nothing may be written now, or OPEN.

    `walked` names the connections whose initial walk is complete.
    """
    if facts.config is None:
        return CONFIG
    if any(connection.name not in walked for connection in facts.config.connections):
        return WALKS
    if facts.config.dry_run:
        return DRY_RUN
    if facts.config.first_write != "auto" and facts.approved_revision is None:
        return PLAN
    return OPEN
