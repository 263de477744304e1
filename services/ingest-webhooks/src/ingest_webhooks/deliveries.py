"""A delivery as it stands in `webhooks.received.v1`: key and headers around the raw body."""

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Final, Literal, NamedTuple

from plumbline_runtime.tracing import event_trace, traceparent
from plumbline_schemas.envelope import Envelope, Headers, header
from plumbline_schemas.ids import external_key

Vendor = Literal["stripe", "hubspot"]

HEADER_WORKSPACE: Final = "plumbline-workspace"
HEADER_CONNECTION: Final = "plumbline-connection"
HEADER_VENDOR: Final = "plumbline-vendor"
HEADER_RECEIVED_AT: Final = "plumbline-received-at"

_PLAIN_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,200}")


class Source(NamedTuple):
    """Where a delivery comes from."""

    workspace: str
    connection: str
    vendor: Vendor

    @property
    def label(self) -> str:
        """Name for logs and metrics."""
        return f"{self.workspace}/{self.connection}"


class Origin(NamedTuple):
    """What the headers of a stored delivery say."""

    workspace: str
    connection: str
    vendor: str
    received_at: datetime


class HeadersMissing(ValueError):  # noqa: N818 - says what is wrong, like its neighbours
    """A record of the raw topic lacks the headers that say where it came from."""


def plain_id(text: str | None) -> str | None:
    """The id if it may stand in a key; None for anything a vendor would not mint."""
    return text if text is not None and _PLAIN_ID.fullmatch(text) else None


def digest(body: bytes) -> str:
    """Name a delivery whose head tells nothing: the same bytes always get the same name."""
    return hashlib.sha256(body).hexdigest()[:32]


def delivery_key(
    source: Source,
    body: bytes,
    *,
    event_id: str | None = None,
    kind: str | None = None,
    object_id: str | None = None,
    customer_id: str | None = None,
) -> str:
    """Kafka key: the customer's external key when known, else the object's, else the delivery's.

    One customer's deliveries share a partition, so they are translated in the order they came.
    """
    if (customer := plain_id(customer_id)) is not None:
        return external_key(source.workspace, source.connection, "customer", customer)
    named, vendor_id = plain_id(kind), plain_id(object_id)
    if named is not None and vendor_id is not None:
        return external_key(source.workspace, source.connection, named, vendor_id)
    name = plain_id(event_id) or digest(body)
    return external_key(source.workspace, source.connection, "delivery", name)


def delivery_headers(
    source: Source, *, delivery_id: str, key: str, received_at: datetime
) -> Headers:
    """CloudEvents attributes and our own; nothing of the request is copied (design 11)."""
    moment = received_at.isoformat().replace("+00:00", "Z")
    trace = event_trace(source.workspace, source.connection, delivery_id)
    return [
        *_constant_headers(source),
        ("ce_id", delivery_id.encode()),
        ("ce_time", moment.encode()),
        ("ce_subject", key.encode()),
        (HEADER_RECEIVED_AT, b"%d" % epoch_ms(received_at)),
        ("traceparent", traceparent(trace).encode()),
    ]


@cache
def _constant_headers(source: Source) -> tuple[tuple[str, bytes], ...]:
    """What every delivery of a source says of itself."""
    varying = {"ce_id", "ce_time", "ce_subject"}
    envelope = Envelope(
        id="",
        source=f"/webhooks/{source.label}",
        type=f"{source.vendor}.webhook.received",
        time=datetime.fromtimestamp(0, UTC),
        subject="",
    )
    return (
        *(pair for pair in envelope.headers() if pair[0] not in varying),
        (HEADER_WORKSPACE, source.workspace.encode()),
        (HEADER_CONNECTION, source.connection.encode()),
        (HEADER_VENDOR, source.vendor.encode()),
    )


def read_origin(headers: Sequence[tuple[str, bytes | None]]) -> Origin:
    """Take the headers apart again; raises HeadersMissing naming the first that is not there."""
    pairs = list(headers)
    values = {
        name: header(pairs, name)
        for name in (HEADER_WORKSPACE, HEADER_CONNECTION, HEADER_VENDOR, HEADER_RECEIVED_AT)
    }
    for name, value in values.items():
        if not value:
            raise HeadersMissing(f"record header {name} is missing")
    received = values[HEADER_RECEIVED_AT] or ""
    if not received.isascii() or not received.isdigit() or len(received) > 14:
        raise HeadersMissing(f"record header {HEADER_RECEIVED_AT} is {received!r}, expected ms")
    return Origin(
        values[HEADER_WORKSPACE] or "",
        values[HEADER_CONNECTION] or "",
        values[HEADER_VENDOR] or "",
        from_epoch_ms(int(received)),
    )


def epoch_ms(moment: datetime) -> int:
    """Whole milliseconds since 1970, without the rounding of floats."""
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * 1000 + moment.microsecond // 1000


def from_epoch_ms(value: int) -> datetime:
    """The moment in UTC."""
    seconds, ms = divmod(value, 1000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=ms * 1000)
