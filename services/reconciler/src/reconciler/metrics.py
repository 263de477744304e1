"""Prometheus metrics of the reconciler; docs/operations.md says what each is for."""

from typing import Final

from prometheus_client import Counter, Gauge

RATES_AGE: Final = Gauge(
    "plumbline_rates_age_seconds",
    "Since the beginning (UTC) of the newest day the source of rates has told of.",
    ["workspace"],
)
RATES_FAILURES: Final = Counter(
    "plumbline_rates_failures_total", "Looks at a source of rates that failed.", ["workspace"]
)
