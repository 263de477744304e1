"""The one line of a handled batch: what an operator reads at 3 a.m. (engineering 8)."""

import time
from typing import Final

import structlog

from plumbline_runtime.records import Batch, JoinedBatch
from plumbline_runtime.tracing import trace_ids

_MS: Final = 1000


def log_batch(batch: Batch, began: float) -> None:
    """Tell a batch that was handled; `began` is a reading of `time.monotonic`."""
    first = min(batch.records, key=lambda record: record.timestamp_ms)
    structlog.get_logger().info(
        "batch_handled",
        group=batch.group,
        topic=batch.topic.name,
        **_place(batch),
        records=len(batch.records),
        duration_ms=round((time.monotonic() - began) * _MS, 1),
        age_ms=round(time.time() * _MS - first.timestamp_ms),
        trace_ids=trace_ids(record.headers for record in batch.records),
        **batch.counts,
    )


def _place(batch: Batch) -> dict[str, object]:
    """Where the records lie; of several partitions each with its first and last offset."""
    if isinstance(batch, JoinedBatch):
        spans = [f"{p.partition}:{p.records[0].offset}-{p.end - 1}" for p in batch.parts]
        return {"partitions": " ".join(spans)}
    return {
        "partition": batch.partition,
        "first_offset": batch.records[0].offset,
        "last_offset": batch.end - 1,
    }
