"""Messages beside the ledger, numbered in the order they were decided."""

from plumbline_schemas.topics import Topic
from pydantic import BaseModel

from matcher.cause import RecordCause
from matcher.rows import OutboxRow
from matcher.snapshot import Snapshot


def enqueue(
    snapshot: Snapshot, topic: Topic, key: str, value: BaseModel, cause: RecordCause
) -> None:
    """Put a message in line; it is stored with the change and published after the commit."""
    workspace = snapshot.workspace
    workspace.outbox_sequence += 1
    snapshot.outbox.append(
        OutboxRow(
            position=workspace.outbox_sequence,
            topic=topic.name,
            key=key,
            value=value.model_dump(mode="json", exclude_none=True),
            occurred_at=cause.received_at,
        )
    )
