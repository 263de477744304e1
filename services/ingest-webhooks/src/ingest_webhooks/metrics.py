"""What this service counts besides what the runtime counts for everyone (engineering 8)."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

REQUESTS: Final = Counter(
    "plumbline_ingest_requests_total",
    "Webhook requests by workspace/connection and what became of them.",
    ("source", "result"),
)
ACK_SECONDS: Final = Histogram(
    "plumbline_ingest_ack_seconds",
    "From a verified body to the acknowledgement of all replicas.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0),
)
SKIPPED: Final = Counter(
    "plumbline_observe_skipped_total",
    "Deliveries or notifications that need nothing done, with the reason.",
    ("reason",),
)
READS: Final = Counter(
    "plumbline_reads_total",
    "Vendor objects looked at, by connection and result.",
    ("source", "result"),
)
CIRCUIT_OPEN: Final = Gauge(
    "plumbline_connection_circuit_open",
    "1 while a connection's credentials are refused and its reads wait.",
    ("source",),
)


def begin_source(source: str) -> None:
    """Let a connection's counters exist at 0: an alert needs a first value to see an increase."""
    for result in ("accepted", "not_stored", "overloaded", "signature_no_match"):
        REQUESTS.labels(source, result)
    for result in ("done", "failed"):
        READS.labels(source, result)
    CIRCUIT_OPEN.labels(source).set(0)
