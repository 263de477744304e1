"""What one process measures for the whole deployment, also for processes that are dead.

A consumer's own lag dies with it; these come from the tables and the log, so a dead consumer still
shows (engineering 8).
"""

from typing import Final

from prometheus_client import Counter, Gauge

GROUP_LAG_RECORDS: Final = Gauge(
    "plumbline_group_lag_records",
    "Records behind a group's stored position, dead or alive.",
    ["group", "topic"],
)
GROUP_LAG_SECONDS: Final = Gauge(
    "plumbline_group_lag_seconds",
    "Age of the oldest record a group has not handled.",
    ["group", "topic"],
)
DEAD_LETTERS: Final = Gauge(
    "plumbline_dlq_topic_records", "Records in a dead-letter topic.", ["topic"]
)
OUTBOX_ROWS: Final = Gauge(
    "plumbline_outbox_rows", "Committed changes that Kafka does not have yet.", ["workspace"]
)
READS_WAITING: Final = Gauge(
    "plumbline_reads_waiting", "Wanted looks at vendor objects.", ["workspace", "connection"]
)
EFFECTS_WAITING: Final = Gauge(
    "plumbline_effects_waiting",
    "Effects not carried out, by state.",
    ["workspace", "connection", "state"],
)
EFFECT_AGE: Final = Gauge(
    "plumbline_effect_age_seconds",
    "Age of the oldest effect that is due.",
    ["workspace", "connection"],
)
ATTENTION_OPEN: Final = Gauge(
    "plumbline_attention_open", "Items that wait for a person.", ["workspace", "kind"]
)
INCOMPLETE_ACCOUNTS: Final = Gauge(
    "plumbline_incomplete_accounts", "Accounts of which something is missing.", ["workspace"]
)
LAST_EVENT: Final = Gauge(
    "plumbline_connection_last_event_timestamp_seconds",
    "When a connection last delivered an event.",
    ["workspace", "connection"],
)
THROTTLED: Final = Gauge(
    "plumbline_vendor_throttled", "Times a vendor answered 429.", ["workspace", "connection"]
)
BLOCKED_SECONDS: Final = Gauge(
    "plumbline_vendor_blocked_seconds",
    "How long nobody may call a vendor.",
    ["workspace", "connection"],
)
HEARTBEAT_AGE: Final = Gauge(
    "plumbline_heartbeat_age_seconds", "Since a process last said it lives.", ["process"]
)
READY: Final = Gauge("plumbline_service_ready", "1 while every condition holds.", ["process"])
SURVEYED_AT: Final = Gauge(
    "plumbline_survey_timestamp_seconds", "When all of this was last measured."
)
SURVEY_FAILURES: Final = Counter("plumbline_survey_failures_total", "Surveys that failed.")
