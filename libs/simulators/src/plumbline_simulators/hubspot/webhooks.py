"""Notifications of changes: arrays of up to 100, signed v1 and v3, retried up to ten times."""

import asyncio
import base64
import hashlib
import hmac
import itertools
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from plumbline_simulators.faults import Action, FaultBook
from plumbline_simulators.posting import PostClient, PostError

Json = dict[str, Any]
BATCH_MAX = 100
ATTEMPTS_MAX = 10
SINGULAR = {"companies": "company", "contacts": "contact"}


@dataclass
class WebhookSettings:
    """Where notifications go. `public_url` is what is signed; it may differ from `url`."""

    url: str | None = None
    public_url: str | None = None
    client_secret: str = "client-secret"  # noqa: S105 - opens nothing but this simulator
    subscriptions: set[str] = field(default_factory=lambda: {"all"})
    """`company.creation`, `company.propertyChange.domain`, ..., or `all`."""
    batch_seconds: float = 0.05
    retry_seconds: float = 1.0
    timeout_seconds: float = 5.0


@dataclass
class _Batch:
    events: list[Json]
    attempt: int = 0


class Webhooks:
    """Collects notifications for a moment, posts them, and keeps what became of each post."""

    def __init__(self, settings: WebhookSettings, portal_id: int, app_id: int) -> None:
        self.settings = settings
        self.faults = FaultBook()
        self.posts: deque[Json] = deque(maxlen=5000)
        self.delivered = 0
        self.given_up = 0
        self._portal_id = portal_id
        self._app_id = app_id
        self._ids = itertools.count(100)
        self._pending: list[Json] = []
        self._wake = asyncio.Event()
        self._sending: set[asyncio.Task[None]] = set()
        self._held: list[tuple[int, _Batch]] = []
        self._slots = asyncio.Semaphore(10)

    @property
    def waiting(self) -> int:
        """Notifications not yet delivered or given up."""
        return len(self._pending) + sum(1 for task in self._sending if not task.done())

    def note(
        self, object_type: str, record_id: str, what: str, details: Json, occurred_ms: int
    ) -> None:
        """Turn a change into the notifications that are subscribed to."""
        if self.settings.url is None:
            return
        kind = SINGULAR[object_type]
        for event in self._events(kind, what, details):
            name = event["subscriptionType"]
            changed = event.get("propertyName")
            wanted = {"all", name} | ({f"{name}.{changed}"} if changed else set())
            if self.settings.subscriptions & wanted:
                self._add(event, record_id, details["source"], occurred_ms)
        if self._pending:
            self._wake.set()

    def _events(self, kind: str, what: str, details: Json) -> Iterator[Json]:
        if what == "update":
            for name, value in details["moved"].items():
                yield {
                    "subscriptionType": f"{kind}.propertyChange",
                    "propertyName": name,
                    "propertyValue": _wire(value),
                    "isSensitive": False,
                }
            return
        event: Json = {"subscriptionType": f"{kind}.{what}"}
        flag = {"creation": "NEW", "deletion": "DELETED"}.get(what)
        if flag:
            event["changeFlag"] = flag
        if what == "merge":
            event |= {
                "primaryObjectId": int(details["primary"]),
                "mergedObjectIds": [int(one) for one in details["merged"]],
                "newObjectId": int(details["new"]),
                "numberOfPropertiesMoved": 0,
            }
        yield event

    def _add(self, event: Json, record_id: str, source: Any, occurred_ms: int) -> None:
        number = next(self._ids)
        self._pending.append(
            {
                "eventId": number,
                "subscriptionId": 10 + len(event["subscriptionType"]),
                "portalId": self._portal_id,
                "appId": self._app_id,
                "occurredAt": occurred_ms,
                "objectId": int(record_id),
                "attemptNumber": 0,
                **event,
                "changeSource": source.type,
                "sourceId": source.id,
            }
        )

    async def run(self) -> None:
        """Deliver until cancelled."""
        client = PostClient(timeout_seconds=self.settings.timeout_seconds)
        try:
            while True:
                await self._wake.wait()
                await asyncio.sleep(self.settings.batch_seconds)
                self._wake.clear()
                events, self._pending = self._pending, []
                for start in range(0, len(events), BATCH_MAX):
                    self._plan(client, _Batch(events[start : start + BATCH_MAX]))
        finally:
            for task in self._sending:
                task.cancel()
            await asyncio.gather(*self._sending, return_exceptions=True)
            client.close()

    def _plan(self, client: PostClient, batch: _Batch) -> None:
        actions = self.faults.actions("delivery", "POST", batch.events[0]["subscriptionType"])
        behind = next((action.behind for action in actions if action.kind == "reorder"), 0)
        if behind:
            self._held.append((behind, batch))
            return
        self._start(client, batch, actions)
        held, self._held = self._held, []
        for left, late in held:
            if left <= 1:
                self._start(client, late, [])
            else:
                self._held.append((left - 1, late))

    def _start(self, client: PostClient, batch: _Batch, actions: list[Action]) -> None:
        copies = 1 + sum(action.copies for action in actions if action.kind == "duplicate")
        for _ in range(copies):
            task = asyncio.create_task(self._deliver(client, _Batch(list(batch.events)), actions))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _deliver(self, client: PostClient, batch: _Batch, actions: list[Action]) -> None:
        for action in actions:
            if action.kind == "delay":
                await asyncio.sleep(action.delay_seconds)
        lost = any(action.kind == "drop_before" for action in actions)
        while batch.attempt <= ATTEMPTS_MAX and not lost:
            status = await self._post(client, batch)
            if 200 <= status < 300:
                self.delivered += len(batch.events)
                return
            batch.attempt += 1
            await asyncio.sleep(self.settings.retry_seconds * batch.attempt)
        self.given_up += len(batch.events)

    async def _post(self, client: PostClient, batch: _Batch) -> int:
        url = self.settings.url
        assert url is not None
        body = orjson.dumps([{**event, "attemptNumber": batch.attempt} for event in batch.events])
        began = time.time()
        async with self._slots:
            try:
                status = await client.post(url, body, self.headers(body, int(began * 1000)))
            except PostError:
                status = 0
        self.posts.append(
            {
                "at": began,
                "events": len(batch.events),
                "attempt": batch.attempt,
                "status": status,
                "duration_ms": round((time.time() - began) * 1000, 3),
            }
        )
        return status

    def headers(self, body: bytes, timestamp_ms: int) -> Mapping[str, str]:
        """Both signatures, as CRM subscription deliveries carry them (vendors 2.8)."""
        settings = self.settings
        uri = settings.public_url or settings.url or ""
        signed = f"POST{uri}".encode() + body + str(timestamp_ms).encode()
        secret = settings.client_secret.encode()
        v3 = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
        return {
            "Content-Type": "application/json",
            "User-Agent": "HubSpot Webhooks",
            "X-HubSpot-Signature": hashlib.sha256(secret + body).hexdigest(),
            "X-HubSpot-Signature-Version": "v1",
            "X-HubSpot-Signature-v3": v3,
            "X-HubSpot-Request-Timestamp": str(timestamp_ms),
        }


def _wire(value: str | None) -> str:
    """Instants travel as epoch milliseconds in notifications, everything else as it is."""
    if value is not None and len(value) == 24 and value.endswith("Z") and value[10] == "T":
        return str(int(datetime.fromisoformat(value).timestamp() * 1000))
    return value or ""
