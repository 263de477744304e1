"""Everything one simulated portal knows."""

import itertools
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

import orjson

from plumbline_simulators.calllog import CallLog
from plumbline_simulators.clock import SimulatedClock
from plumbline_simulators.faults import FaultBook
from plumbline_simulators.hubspot.errors import not_found
from plumbline_simulators.hubspot.limits import Limits, Tokens
from plumbline_simulators.hubspot.store import Records, Source
from plumbline_simulators.hubspot.webhooks import Webhooks

Json = dict[str, Any]
WRITES_MAX = 200_000
TYPE_NAMES = {
    "company": "companies", "companies": "companies", "0-2": "companies",
    "contact": "contacts", "contacts": "contacts", "0-1": "contacts",
}  # fmt: skip


@dataclass
class RowFault:
    """Makes rows of batch writes fail with a category, `times` times each."""

    category: str
    message: str
    left: dict[str, int]


class HubSpotState:
    """One portal: records, definitions, limits, webhooks, and what was written when."""

    def __init__(
        self,
        *,
        access_token: str,
        portal_id: int,
        app_id: int,
        clock: SimulatedClock,
        webhooks: Webhooks,
    ) -> None:
        self.portal_id = portal_id
        self.app_id = app_id
        self.clock = clock
        self.webhooks = webhooks
        self.faults = FaultBook()
        self.calls = CallLog()
        self.limits = Limits()
        self.tokens = Tokens({access_token})
        self.records = {
            "companies": Records("companies", clock, self._changed, 20_000_001),
            "contacts": Records("contacts", clock, self._changed, 40_000_001),
        }
        self.owners: list[Json] = []
        self.associations: dict[tuple[str, str, str], list[str]] = {}
        self.shuffle_results = False
        self.search_lag_seconds = 0.0
        self.row_faults: list[RowFault] = []
        self.silent = False
        self.writes: deque[bytes] = deque(maxlen=WRITES_MAX)
        self.write_count = 0
        self._requests = itertools.count(1)

    @property
    def app(self) -> Source:
        """Our own app as the author of changes."""
        return Source("INTEGRATION", str(self.app_id))

    def next_request_id(self) -> str:
        """Deterministic correlation id."""
        return f"00000000-0000-4000-8000-{next(self._requests):012d}"

    def of(self, object_type: str) -> Records:
        """Records by name, plural or type id; 404 for others."""
        name = TYPE_NAMES.get(object_type)
        if name is None:
            raise not_found(f"object type {object_type}")
        return self.records[name]

    def row_fault(self, record_id: str) -> RowFault | None:
        """The fault that hits this row of a batch write now, counted down."""
        for fault in self.row_faults:
            if fault.left.get(record_id, 0) > 0:
                fault.left[record_id] -= 1
                return fault
        return None

    def _changed(self, object_type: str, record_id: str, what: str, details: Json) -> None:
        source: Source = details["source"]
        if what in {"creation", "update"} and not self.silent:
            self.write_count += 1
            self.writes.append(
                orjson.dumps(
                    {
                        "sequence": self.write_count,
                        "object_type": object_type,
                        "id": record_id,
                        "what": what,
                        "properties": details["values"],
                        "moved": list(
                            details["moved"] if "moved" in details else details["values"]
                        ),
                        "objectWriteTraceId": source.trace_id,
                        "request_id": source.request_id,
                        "source": source.type,
                        "at_ms": int(time.time() * 1000),
                    }
                )
            )
        if not self.silent:
            self.webhooks.note(object_type, record_id, what, details, self.clock.epoch_ms())
