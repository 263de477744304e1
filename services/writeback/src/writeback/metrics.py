"""What this service counts besides what the runtime counts for everyone (engineering 8)."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

EFFECTS: Final = Counter(
    "plumbline_effects_total", "CRM writes by connection and what became of them.",
    ("target", "result"),
)  # fmt: skip
BACKLOG: Final = Gauge(
    "plumbline_effect_backlog", "Effects not carried out yet, by connection and state.",
    ("target", "state"),
)  # fmt: skip
E2E_SECONDS: Final = Histogram(
    "plumbline_e2e_seconds",
    "From holding the vendor's event to the answer to our write.",
    ("path",),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0),
)
CALL_SECONDS: Final = Histogram(
    "plumbline_crm_call_seconds", "Duration of a batch call.", ("target", "call"),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)  # fmt: skip
CIRCUIT_OPEN: Final = Gauge(
    "plumbline_writeback_circuit_open", "1 while a connection refuses our calls.", ("target",)
)
