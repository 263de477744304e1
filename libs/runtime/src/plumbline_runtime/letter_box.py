"""What delivery needs of the dead letters."""

from collections.abc import Sequence
from typing import Protocol

from plumbline_schemas.topics import Topic

from plumbline_runtime.records import Record


class LetterBox(Protocol):
    """Where records go that can't be handled."""

    async def send(
        self,
        record: Record,
        topic: Topic,
        *,
        reason: str,
        error: BaseException | str,
        attempts: int = 1,
    ) -> None:
        """Return once the letter is safe."""

    def parks(self, record: Record, topic: Topic) -> bool:
        """Whether the record's connection is braked."""

    async def park(self, record: Record, topic: Topic) -> None:
        """Put it aside untried; returns once it is safe."""

    async def settle(self, topic: Topic, records: Sequence[Record]) -> None:
        """The records are dealt with."""
