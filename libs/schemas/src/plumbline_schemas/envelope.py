"""CloudEvents 1.0 in Kafka's binary mode: attributes in `ce_*` headers, JSON in the value."""

from datetime import datetime
from typing import Final, NamedTuple

SPEC_VERSION: Final = "1.0"
CONTENT_TYPE: Final = "application/json"
SCHEMA_BASE: Final = "urn:plumbline:schema:"

Headers = list[tuple[str, bytes]]

_SPEC_VERSION: Final = SPEC_VERSION.encode()
_CONTENT_TYPE: Final = CONTENT_TYPE.encode()


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
        rendered: Headers = [
            ("ce_specversion", _SPEC_VERSION),
            ("ce_id", self.id.encode()),
            ("ce_source", self.source.encode()),
            ("ce_type", self.type.encode()),
            ("ce_time", self.time.isoformat().replace("+00:00", "Z").encode()),
            ("ce_subject", self.subject.encode()),
        ]
        if self.schema is not None:
            rendered.append(("ce_dataschema", (SCHEMA_BASE + self.schema).encode()))
        if self.sequence is not None:
            rendered.append(("ce_sequence", b"%d" % self.sequence))
        if self.partition_key is not None:
            rendered.append(("ce_partitionkey", self.partition_key.encode()))
        rendered.append(("content-type", _CONTENT_TYPE))
        if self.traceparent is not None:
            rendered.append(("traceparent", self.traceparent.encode()))
        return rendered


def header(headers: "list[tuple[str, bytes | None]] | Headers", name: str) -> str | None:
    """First header of that name, decoded leniently; None when missing or null."""
    for key, value in headers:
        if key == name:
            return None if value is None else bytes(value).decode("utf-8", errors="replace")
    return None
