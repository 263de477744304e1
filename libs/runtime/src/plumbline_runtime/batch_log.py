"""The one line of a handled batch: what an operator reads at 3 a.m. (engineering 8)."""

import time
from typing import Final

import structlog

from plumbline_runtime.records import Batch
from plumbline_runtime.tracing import trace_ids

_MS: Final = 1000


def log_batch(batch: Batch, began: float) -> None:
    """Tell a batch that was handled; `began` is a reading of `time.monotonic`."""
    first, last = batch.records[0], batch.records[-1]
    structlog.get_logger().info(
        "batch_handled",
        group=batch.group,
        topic=batch.topic.name,
        partition=batch.partition,
        first_offset=first.offset,
        last_offset=last.offset,
        records=len(batch.records),
        duration_ms=round((time.monotonic() - began) * _MS, 1),
        age_ms=round(time.time() * _MS - first.timestamp_ms),
        trace_ids=trace_ids(record.headers for record in batch.records),
        **batch.counts,
    )
