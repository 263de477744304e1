"""CloudEvents 1.0 in Kafka's binary mode: attributes in `ce_*` headers, JSON in the value."""

from datetime import datetime
from typing import Final, NamedTuple

SPEC_VERSION: Final = "1.0"
CONTENT_TYPE: Final = "application/json"
SCHEMA_BASE: Final = "urn:plumbline:schema:"

Headers = list[tuple[str, bytes]]


class Envelope(NamedTuple):
    """The attributes of one event."""

    id: str
    source: str
    type: str
    time: datetime
    subject: str
    schema: str | None = None
    """Name of the JSON Schema, e.g. `accounts.state.v1`."""
    sequence: int | None = None
    partition_key: str | None = None
    traceparent: str | None = None

    def headers(self) -> Headers:
        """Render as Kafka headers, all UTF-8; never a `reply_to`."""
        pairs = {
            "ce_specversion": SPEC_VERSION,
            "ce_id": self.id,
            "ce_source": self.source,
            "ce_type": self.type,
            "ce_time": self.time.isoformat().replace("+00:00", "Z"),
            "ce_subject": self.subject,
            "ce_dataschema": None if self.schema is None else SCHEMA_BASE + self.schema,
            "ce_sequence": None if self.sequence is None else str(self.sequence),
            "ce_partitionkey": self.partition_key,
            "content-type": CONTENT_TYPE,
            "traceparent": self.traceparent,
        }
        return [(name, value.encode()) for name, value in pairs.items() if value is not None]


def header(headers: "list[tuple[str, bytes | None]] | Headers", name: str) -> str | None:
    """First header of that name, decoded leniently; None when missing or null."""
    for key, value in headers:
        if key == name:
            return None if value is None else bytes(value).decode("utf-8", errors="replace")
    return None
