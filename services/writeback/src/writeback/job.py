"""What one round works on."""

from collections.abc import Mapping
from typing import NamedTuple

from plumbline_domain.ownership import ConflictPolicy, Decision, SameValue

from writeback.effects import Effect, SeenRecord


class Job(NamedTuple):
    """What a round knows about the rows it carries out."""

    workspace: str
    connection: str
    kind: str
    mapping: Mapping[str, str]
    blocked: frozenset[str]
    policy: ConflictPolicy
    same: SameValue
    urgent: bool = False
    """Holds a payment that has just failed."""

    @property
    def target(self) -> str:
        """Label of the connection."""
        return f"{self.workspace}/{self.connection}"

    @property
    def properties(self) -> list[str]:
        """Properties that matter on a record of this kind."""
        return list(self.mapping.values())


class Planned(NamedTuple):
    """An effect with what is known and decided about it."""

    effect: Effect
    seen: SeenRecord
    decision: Decision
