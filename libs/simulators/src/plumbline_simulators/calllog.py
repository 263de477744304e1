"""What a simulated API was asked: a bounded log and counters that are never trimmed."""

import re
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

KEPT_HEADERS = frozenset(
    {
        "accept",
        "content-length",
        "content-type",
        "idempotency-key",
        "stripe-account",
        "stripe-version",
        "user-agent",
    }
)
_SECRET_FORM_FIELD = re.compile(
    rb"(?i)\b(client_secret|refresh_token|access_token|token|secret|code)=[^&]*"
)
_VERSION_SEGMENT = re.compile(r"v\d+|\d{4}-\d{2}")


def default_template(path: str) -> str:
    """`/v1/customers/cus_123` as `/v1/customers/{id}`: segments with a digit are ids."""
    segments = []
    for segment in path.split("/"):
        is_id = any(char.isdigit() for char in segment)
        keeps = not is_id or _VERSION_SEGMENT.fullmatch(segment) is not None
        segments.append(segment if keeps else "{id}")
    return "/".join(segments)


class CallLog:
    """The newest calls as JSON bytes, bounded by `max_bytes`; counts per (method, template).

    Credentials never enter: headers by allow list, secret fields of forms replaced.
    """

    def __init__(
        self,
        *,
        max_bytes: int = 16 * 1024 * 1024,
        body_cap: int = 4096,
        template: Callable[[str], str] = default_template,
    ) -> None:
        self._entries: deque[bytes] = deque()
        self._size = 0
        self._max_bytes = max_bytes
        self.body_cap = body_cap
        self._template = template
        self._sequence = 0
        self.counts: Counter[tuple[str, str]] = Counter()
        self.statuses: Counter[tuple[str, str, int]] = Counter()

    def add(
        self,
        *,
        method: str,
        path: str,
        query: str,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        started_at: float,
        duration_seconds: float,
        faults: tuple[str, ...] = (),
    ) -> None:
        """`started_at` is real epoch seconds; status 0 is a connection closed unanswered."""
        template = self._template(path)
        self._sequence += 1
        self.counts[method, template] += 1
        self.statuses[method, template, status] += 1
        kept = _SECRET_FORM_FIELD.sub(rb"\1=***", body[: self.body_cap])
        entry = orjson.dumps(
            {
                "sequence": self._sequence,
                "method": method,
                "path": path,
                "query": query,
                "template": template,
                "status": status,
                "headers": {k: v for k, v in headers.items() if k in KEPT_HEADERS},
                "body": kept.decode("utf-8", "replace"),
                "body_bytes": len(body),
                "started_at": started_at,
                "duration_ms": round(duration_seconds * 1000, 3),
                "faults": list(faults),
            }
        )
        # A copy, as orjson's own bytes hold on to a buffer several times their size.
        self._entries.append(bytes(memoryview(entry)))
        self._size += len(entry)
        while self._size > self._max_bytes:
            self._size -= len(self._entries.popleft())

    def calls(
        self, *, path: str = "", method: str | None = None, limit: int = 1000
    ) -> list[dict[str, Any]]:
        """The newest `limit` calls whose path matches the expression, oldest first."""
        found: list[dict[str, Any]] = []
        for entry in self._newest_first():
            if len(found) >= limit:
                break
            if re.search(path, entry["path"]) and method in (None, entry["method"]):
                found.append(entry)
        return found[::-1]

    def summary(self) -> dict[str, Any]:
        return {
            "total": self._sequence,
            "kept": len(self._entries),
            "counts": {f"{m} {t}": n for (m, t), n in sorted(self.counts.items())},
            "statuses": {f"{m} {t} {s}": n for (m, t, s), n in sorted(self.statuses.items())},
        }

    def clear(self) -> None:
        self._entries.clear()
        self._size = 0
        self._sequence = 0
        self.counts.clear()
        self.statuses.clear()

    def _newest_first(self) -> Iterator[dict[str, Any]]:
        for raw in reversed(self._entries):
            yield orjson.loads(raw)
