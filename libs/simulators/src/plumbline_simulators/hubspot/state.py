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
from plumbline_simulators.hubspot.kinds import KINDS, NAMES
from plumbline_simulators.hubspot.limits import Limits
from plumbline_simulators.hubspot.links import Links
from plumbline_simulators.hubspot.notifications import notifications
from plumbline_simulators.hubspot.store import Records, Source
from plumbline_simulators.hubspot.tokens import Tokens
from plumbline_simulators.hubspot.webhooks import Webhooks

Json = dict[str, Any]
WRITES_MAX = 200_000


@dataclass
class RowFault:
    """Makes rows of batch writes fail with a category, `times` times each."""

    category: str
    message: str
    left: dict[str, int]
    whole: bool = False
    """The row has its whole batch refused."""


class HubSpotState:
    """One portal: records, definitions, limits, webhooks, and what was written when."""

    def __init__(
        self,
        *,
        access_token: str,
        portal_id: int,
        app_id: int,
        clock: SimulatedClock,
        faults: FaultBook,
        webhooks: Webhooks,
    ) -> None:
        self.portal_id = portal_id
        self.app_id = app_id
        self.clock = clock
        self.webhooks = webhooks
        self.faults = faults
        self.calls = CallLog()
        self.limits = Limits(today=lambda: clock.now().date())
        self.tokens = Tokens({access_token})
        self.records = {
            plural: Records(kind, clock, self._changed) for plural, kind in KINDS.items()
        }
        self.owners: list[Json] = []
        self.links = Links(self._linked)
        self.shuffle_results = False
        self.row_faults: list[RowFault] = []
        self.silent = False
        self.writes: deque[bytes] = deque(maxlen=WRITES_MAX)
        self.write_count = 0
        self._requests = itertools.count(1)

    @property
    def search_lag_seconds(self) -> float:
        """How long the search index is behind, in simulated time."""
        return self.records["companies"].shelf.index_lag_ms / 1000

    @search_lag_seconds.setter
    def search_lag_seconds(self, seconds: float) -> None:
        for records in self.records.values():
            records.shelf.index_lag_ms = int(seconds * 1000)

    def next_request_id(self) -> str:
        """Deterministic correlation id."""
        return f"00000000-0000-4000-8000-{next(self._requests):012d}"

    def of(self, object_type: str) -> Records:
        """Records by name, plural or type id; 404 for others."""
        name = NAMES.get(object_type)
        if name is None:
            raise not_found(f"object type {object_type}")
        return self.records[name]

    def row_fault(self, record_id: str, *, whole: bool = False) -> RowFault | None:
        """The fault that hits this row of a batch write (or its whole batch) now, counted down."""
        for fault in self.row_faults:
            if fault.whole is whole and fault.left.get(record_id, 0) > 0:
                fault.left[record_id] -= 1
                return fault
        return None

    def _changed(self, object_type: str, record_id: str, what: str, details: Json) -> None:
        if what == "merge":
            self.links.merged(object_type, [details["primary"], *details["merged"]], record_id)
        if self.silent:
            return
        if what in {"creation", "update"}:
            self._record_write(object_type, record_id, what, details)
        records = self.records[object_type]
        known = records.catalog.properties
        events = notifications(records.kind.singular, record_id, what, details, known)
        self.webhooks.note(events, details["source"], self.clock.epoch_ms())

    def _record_write(self, object_type: str, record_id: str, what: str, details: Json) -> None:
        source: Source = details["source"]
        self.write_count += 1
        entry = {
            "sequence": self.write_count,
            "object_type": object_type,
            "id": record_id,
            "what": what,
            "properties": details["values"],
            "moved": list(details["moved"] if "moved" in details else details["values"]),
            "objectWriteTraceId": source.trace_id,
            "request_id": source.request_id,
            "source": source.type,
            "source_id": source.id,
            "at_ms": time.time_ns() // 1_000_000,
        }
        self.writes.append(bytes(memoryview(orjson.dumps(entry))))

    def _linked(
        self,
        here: Records,
        from_id: str,
        there: Records,
        to_id: str,
        removed: bool,
    ) -> None:
        names = (here.kind.singular.upper(), there.kind.singular.upper())
        details = {
            "type": "{}_TO_{}".format(*names), "from": from_id, "to": to_id, "removed": removed,
        }  # fmt: skip
        events = notifications(here.kind.singular, from_id, "associationChange", details, {})
        source = Source("INTEGRATION", str(self.app_id))
        self.webhooks.note(events, source, self.clock.epoch_ms())
