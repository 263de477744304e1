"""What this service counts besides what the runtime counts for everyone (engineering 8)."""

from typing import Final

from plumbline_runtime.metrics import E2E_SECONDS
from prometheus_client import Counter, Gauge, Histogram

EFFECTS: Final = Counter(
    "plumbline_effects_total", "CRM writes by connection and what became of them.",
    ("target", "result"),
)  # fmt: skip
BACKLOG: Final = Gauge(
    "plumbline_effect_backlog", "Effects not carried out yet, by connection and state.",
    ("target", "state"),
)  # fmt: skip
CALL_SECONDS: Final = Histogram(
    "plumbline_crm_call_seconds", "Duration of a batch call.", ("target", "call"),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)  # fmt: skip
CIRCUIT_OPEN: Final = Gauge(
    "plumbline_writeback_circuit_open", "1 while a connection refuses our calls.", ("target",)
)
LATE_LOOKS: Final = Counter(
    "plumbline_writeback_late_looks_total",
    "Records read again because a write without an answer may still be carried out.",
    ("target", "result"),
)
STRIPE_TO_CRM: Final = E2E_SECONDS.labels("stripe_to_crm")
"""From holding Stripe's event to the answer to our write."""


def begin_target(target: str) -> None:
    """Let a connection's counters exist at 0: an alert needs a first value to see an increase."""
    for result in ("written", "unchanged", "skipped", "failed", "retried", "conflict"):
        EFFECTS.labels(target, result)
    for state in ("pending", "held", "failed"):
        BACKLOG.labels(target, state).set(0)
    for result in ("equal", "different"):
        LATE_LOOKS.labels(target, result)
    for call in ("read", "update"):
        CALL_SECONDS.labels(target, call)
    CIRCUIT_OPEN.labels(target).set(0)
