"""Prometheus metrics of the runtime; names and units are those of engineering.md 8.

docs/operations.md says what each is for. Labels are bounded: none names a customer or an object.
"""

from typing import Final, get_args

from plumbline_schemas.dead_letter import DeadLetterReason
from plumbline_schemas.topics import all_topics
from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call]

SECONDS: Final = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
)

LAG_RECORDS: Final = Gauge(
    "plumbline_consumer_lag_records", "Records not handled yet", ["group", "topic", "partition"]
)
LAG_SECONDS: Final = Gauge(
    "plumbline_consumer_lag_seconds", "Age of the oldest unhandled record", ["group", "topic"]
)
BATCH_SIZE: Final = Histogram(
    "plumbline_batch_size",
    "Records in a batch of one partition",
    ["group"],
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
)
BATCH_SECONDS: Final = Histogram(
    "plumbline_batch_seconds", "Time a batch took", ["group", "stage"], buckets=SECONDS
)
BATCH_RETRIES: Final = Counter(
    "plumbline_batch_retries_total", "Batches tried again", ["group", "cause"]
)
DUPLICATES: Final = Counter(
    "plumbline_inbox_duplicates_total", "Records fetched again and passed over", ["group"]
)
BRAKED: Final = Gauge(
    "plumbline_consumer_braked", "1 while too many dead letters hold a consumer", ["group"]
)
WATCHDOG_IDLE: Final = Gauge(
    "plumbline_watchdog_idle_seconds", "Time a consumer with work has stood still", ["group"]
)
FENCE_REJECTIONS: Final = Counter(
    "plumbline_fence_rejections_total", "Positions another process had moved", ["group"]
)
OFFSET_GAPS: Final = Counter(
    "plumbline_offset_gaps_total", "Offsets missing in a topic without compaction", ["group"]
)
COMMIT_FAILURES: Final = Counter(
    "plumbline_commit_failures_total", "Failed Kafka commits (they only show lag)", ["group"]
)
REBALANCES: Final = Counter("plumbline_rebalances_total", "Assignments received", ["group"])
POLL_ERRORS: Final = Counter(
    "plumbline_poll_errors_total", "Errors Kafka answered to a poll", ["group"]
)
PUBLISHED: Final = Counter("plumbline_published_records_total", "Records acked", ["topic"])
PUBLISH_FAILURES: Final = Counter(
    "plumbline_publish_failures_total", "Publishing that failed or timed out", ["topic"]
)
PUBLISH_SECONDS: Final = Histogram(
    "plumbline_publish_seconds", "From send to ack", ["topic"], buckets=SECONDS
)
DLQ_RECORDS: Final = Counter("plumbline_dlq_records_total", "Dead letters", ["reason"])
DLQ_LEFT: Final = Counter(
    "plumbline_dlq_left_total", "Records whose dead letter another consumer writes", ["reason"]
)
RATE_LIMIT_TOKENS: Final = Gauge(
    "plumbline_rate_limit_tokens", "Vendor calls left just now", ["workspace", "connection"]
)
RATE_LIMIT_ALLOWED: Final = Gauge(
    "plumbline_rate_limit_allowed",
    "Vendor calls a second that the budget allows now; a 429 halves it",
    ["workspace", "connection"],
)
LOOP_DELAY: Final = Gauge("plumbline_event_loop_delay_seconds", "Lateness of a one-second timer")
E2E_SECONDS: Final = Histogram(
    "plumbline_e2e_seconds",
    "From holding the vendor's event to what came of it, by path.",
    ["path"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0),
)


def begin_process() -> None:
    """Let what any process may count exist at 0."""
    for topic in all_topics():
        PUBLISH_FAILURES.labels(topic)
    for reason in get_args(DeadLetterReason):
        DLQ_RECORDS.labels(reason)


def begin_counters(group: str) -> None:
    """Let a consumer's counters exist at 0: an alert needs a first value to see an increase."""
    for counter in (DUPLICATES, FENCE_REJECTIONS, OFFSET_GAPS, COMMIT_FAILURES, REBALANCES,
                    POLL_ERRORS):  # fmt: skip
        counter.labels(group)
    for cause in ("handler", "infrastructure"):
        BATCH_RETRIES.labels(group, cause)
    BRAKED.labels(group).set(0)
    WATCHDOG_IDLE.labels(group).set(0)
