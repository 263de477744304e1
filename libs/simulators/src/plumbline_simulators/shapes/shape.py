"""What a shape is."""

from dataclasses import dataclass
from typing import Any, Final

VERSIONS: Final = (
    "2024-09-30.acacia",
    "2025-03-31.basil",
    "2025-09-30.clover",
    "2026-03-25.dahlia",
    "2026-09-30.endive",
)
"""The versions that objects are rendered at, oldest first."""
ACACIA, BASIL, CLOVER, DAHLIA, ENDIVE = VERSIONS


@dataclass(frozen=True, slots=True)
class Shape:
    """The objects of one row of the table of cases, as endive renders them.

    `row` is the row's number, with a letter where the row holds several shapes.
    """

    row: str
    title: str
    objects: tuple[dict[str, Any], ...]
    since: str = ACACIA
    """The first version that can say it."""
    livemode: bool = True

    @property
    def number(self) -> int:
        """Number of the row."""
        return int(self.row.rstrip("abcdefgh"))

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions that can say it."""
        return VERSIONS[VERSIONS.index(self.since) :]
