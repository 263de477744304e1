"""What the dashboard shows: rows of panels, each with its queries. Data only."""

from typing import Final, Literal, NamedTuple

Kind = Literal["stat", "timeseries", "table"]


class Query(NamedTuple):
    """One PromQL expression and how its series are called."""

    expr: str
    legend: str = ""


class Panel(NamedTuple):
    """One panel; `unit` is Grafana's name of it."""

    title: str
    queries: tuple[Query, ...]
    unit: str = "short"
    kind: Kind = "timeseries"
    width: int = 8
    red_above: float | None = None
    """The panel turns red from here on."""


class Row(NamedTuple):
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


_ACCEPTED: Final = 'plumbline_ingest_requests_total{result="accepted"}'
_WRITTEN: Final = 'plumbline_effects_total{result="written"}'

ROWS: Final = (
    Row("The promise at a glance", (
        Panel("Events accepted", (Query(f"sum(rate({_ACCEPTED}[1m]))"),), "reqps", "stat", 4),
        Panel("CRM records written", (Query(f"sum(rate({_WRITTEN}[1m]))"),), "wps", "stat", 4),
        Panel("Event to CRM, p99", (
            Query('plumbline:e2e_seconds:p99{path="stripe_to_crm"}'),
        ), "s", "stat", 4, 1.0),
        Panel("Oldest unprocessed", (
            Query("max(plumbline_group_lag_seconds)"),
        ), "s", "stat", 4, 60.0),
        Panel("Oldest due write", (
            Query("max(plumbline_effect_age_seconds)"),
        ), "s", "stat", 4, 60.0),
        Panel("Waiting for a person", (
            Query("sum(plumbline_attention_open)"),
        ), "short", "stat", 4, 100.0),
        Panel("Accepted and refused at the edge", (
            Query("sum by (source, result) (rate(plumbline_ingest_requests_total[1m]))",
                  "{{source}} {{result}}"),
        ), "reqps"),
        Panel("From the event to what came of it", (
            Query("plumbline:e2e_seconds:p50", "{{path}} p50"),
            Query("plumbline:e2e_seconds:p99", "{{path}} p99"),
        ), "s"),
        Panel("Share slower than a second", (
            Query("plumbline:e2e_slow:ratio_5m", "{{path}} 5 min"),
            Query("plumbline:e2e_slow:ratio_1h", "{{path}} 1 h"),
        ), "percentunit"),
    )),
    Row("Lag and batches, stage by stage", (
        Panel("Records behind", (
            Query("max by (group, topic) (plumbline_group_lag_records)", "{{group}} {{topic}}"),
        )),
        Panel("Age of the oldest unprocessed", (
            Query("max by (group) (plumbline_group_lag_seconds)", "{{group}}"),
        ), "s"),
        Panel("Committed, not yet in Kafka", (
            Query("max by (workspace) (plumbline_outbox_rows)", "{{workspace}}"),
        )),
        Panel("Time of a batch, p95", (
            Query("histogram_quantile(0.95, sum by (le, group)"
                  " (rate(plumbline_batch_seconds_bucket[5m])))", "{{group}}"),
        ), "s"),
        Panel("Records of a batch, mean", (
            Query("sum by (group) (rate(plumbline_batch_size_sum[5m]))"
                  " / sum by (group) (rate(plumbline_batch_size_count[5m]))", "{{group}}"),
        )),
        Panel("Kafka's acknowledgement, p99", (
            Query("histogram_quantile(0.99, sum by (le)"
                  " (rate(plumbline_ingest_ack_seconds_bucket[5m])))", "edge"),
            Query("histogram_quantile(0.99, sum by (le, topic)"
                  " (rate(plumbline_publish_seconds_bucket[5m])))", "{{topic}}"),
        ), "s"),
        Panel("Retries, rebalances, duplicates", (
            Query("sum by (group, cause) (increase(plumbline_batch_retries_total[5m]))",
                  "{{group}} retries: {{cause}}"),
            Query("sum by (group) (increase(plumbline_rebalances_total[5m]))",
                  "{{group}} rebalances"),
            Query("sum by (group) (increase(plumbline_inbox_duplicates_total[5m]))",
                  "{{group}} duplicates"),
        )),
        Panel("Gaps, fences, failed commits and polls", (
            Query("sum by (group) (increase(plumbline_offset_gaps_total[5m]))", "{{group}} gaps"),
            Query("sum by (group) (increase(plumbline_fence_rejections_total[5m]))",
                  "{{group}} fences"),
            Query("sum by (group) (increase(plumbline_commit_failures_total[5m]))",
                  "{{group}} commits"),
            Query("sum by (group) (increase(plumbline_poll_errors_total[5m]))", "{{group}} polls"),
        )),
        Panel("Consumers that stand still", (
            Query("max by (group) (plumbline_watchdog_idle_seconds)", "{{group}}"),
        ), "s"),
    )),
    Row("Effects", (
        Panel("Effects by result", (
            Query("sum by (target, result) (rate(plumbline_effects_total[5m]))",
                  "{{target}} {{result}}"),
        ), "ops"),
        Panel("Effects waiting", (
            Query("max by (workspace, connection, state) (plumbline_effects_waiting)",
                  "{{workspace}}/{{connection}} {{state}}"),
        )),
        Panel("Age of the oldest due effect", (
            Query("max by (workspace, connection) (plumbline_effect_age_seconds)",
                  "{{workspace}}/{{connection}}"),
        ), "s"),
    )),
    Row("Vendors", (
        Panel("CRM calls", (
            Query("sum by (target, call) (rate(plumbline_crm_call_seconds_count[5m]))",
                  "{{target}} {{call}}"),
        ), "ops"),
        Panel("CRM calls, p95", (
            Query("histogram_quantile(0.95, sum by (le, target, call)"
                  " (rate(plumbline_crm_call_seconds_bucket[5m])))", "{{target}} {{call}}"),
        ), "s"),
        Panel("Vendor objects read", (
            Query("sum by (source, result) (rate(plumbline_reads_total[5m]))",
                  "{{source}} {{result}}"),
        ), "ops"),
        Panel("Calls left in the budget", (
            Query("min by (workspace, connection) (plumbline_rate_limit_tokens)",
                  "{{workspace}}/{{connection}}"),
        )),
        Panel("429 answers in 15 minutes", (
            Query("max by (workspace, connection) (delta(plumbline_vendor_throttled[15m]))",
                  "{{workspace}}/{{connection}}"),
        )),
        Panel("Circuits open", (
            Query("max by (source) (plumbline_connection_circuit_open)", "{{source}} reads"),
            Query("max by (target) (plumbline_writeback_circuit_open)", "{{target}} writes"),
        ), "short", "timeseries", 8, 1.0),
        Panel("Silence of each connection", (
            Query("plumbline:connection_silence:seconds", "{{workspace}}/{{connection}}"),
        ), "s"),
        Panel("Usual gap between events", (
            Query("plumbline:connection_event_gap:seconds_7d", "{{workspace}}/{{connection}}"),
        ), "s"),
        Panel("Reads waiting", (
            Query("max by (workspace, connection) (plumbline_reads_waiting)",
                  "{{workspace}}/{{connection}}"),
        )),
    )),
    Row("What could not be handled", (
        Panel("Dead letters by reason", (
            Query("sum by (reason) (increase(plumbline_dlq_records_total[5m]))", "{{reason}}"),
        )),
        Panel("Dead letters kept", (
            Query("max by (topic) (plumbline_dlq_topic_records)", "{{topic}}"),
        )),
        Panel("Attention open", (
            Query("max by (workspace, kind) (plumbline_attention_open)", "{{workspace}} {{kind}}"),
        )),
        Panel("Brakes", (
            Query("max by (group) (plumbline_consumer_braked)", "{{group}}"),
        ), "short", "timeseries", 8, 1.0),
        Panel("Deliveries that need nothing", (
            Query("sum by (reason) (rate(plumbline_observe_skipped_total[5m]))", "{{reason}}"),
        ), "ops"),
        Panel("Publishing that failed", (
            Query("sum by (topic) (increase(plumbline_publish_failures_total[5m]))", "{{topic}}"),
        )),
    )),
    Row("Processes", (
        Panel("Up", (Query('up{job="plumbline"}', "{{service}}"),)),
        Panel("Ready", (
            Query("max by (process) (plumbline_service_ready)", "{{process}}"),
        )),
        Panel("Since the last heartbeat", (
            Query("max by (process) (plumbline_heartbeat_age_seconds)", "{{process}}"),
        ), "s"),
        Panel("Memory", (
            Query('process_resident_memory_bytes{job="plumbline"}', "{{service}}"),
        ), "bytes", "timeseries", 8, 250e6),
        Panel("Processor", (
            Query('rate(process_cpu_seconds_total{job="plumbline"}[1m])', "{{service}}"),
        ), "percentunit"),
        Panel("Lateness of the event loop", (
            Query("plumbline_event_loop_delay_seconds", "{{service}}"),
        ), "s"),
        Panel("Open files", (
            Query('process_open_fds{job="plumbline"}', "{{service}}"),
        )),
        Panel("Age of the survey", (
            Query("time() - max(plumbline_survey_timestamp_seconds)", "survey"),
            Query("increase(plumbline_survey_failures_total[5m])", "failures"),
        ), "s"),
    )),
)  # fmt: skip
