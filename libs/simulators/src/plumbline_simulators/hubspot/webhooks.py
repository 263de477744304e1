"""Delivery of notifications: arrays of up to 100, signed v1 and v3, retried up to ten times."""

import asyncio
import base64
import hashlib
import hmac
import itertools
import time
import zlib
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import orjson

from plumbline_simulators.faults import Action, FaultBook
from plumbline_simulators.hubspot.notifications import names
from plumbline_simulators.hubspot.store import Source
from plumbline_simulators.posting import PostClient, PostError

Json = dict[str, Any]
BATCH_MAX = 100
ATTEMPTS_MAX = 10
CONCURRENT = 10


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
    held_seconds: float = 1.0
    """A reordered batch goes out after this even when nothing overtakes it."""
    also_portals: list[int] = field(default_factory=list)
    """Portals of which the same notifications are sent too, in the same arrays."""
    one_event_id: int | None = None
    """Given to every notification: the vendor doesn't promise unique ones."""

    def __post_init__(self) -> None:
        """Refuses what can't be posted to."""
        if self.url is not None and urlsplit(self.url).scheme != "http":
            raise ValueError(f"webhook url: only http is spoken here, found {self.url!r}")


@dataclass
class _Batch:
    events: list[Json]
    attempt: int = 0


class Webhooks:
    """Collects notifications for a moment, posts them, and keeps what became of each post."""

    def __init__(
        self, settings: WebhookSettings, portal_id: int, app_id: int, faults: FaultBook
    ) -> None:
        self.settings = settings
        self.faults = faults
        self.posts: deque[Json] = deque(maxlen=5000)
        self.delivered = 0
        self.given_up = 0
        self._portal_id = portal_id
        self._app_id = app_id
        self._ids = itertools.count(100)
        self._pending: list[Json] = []
        self._wake = asyncio.Event()
        self._sending: dict[asyncio.Task[None], int] = {}
        self._held: list[tuple[int, _Batch]] = []
        self._slots = asyncio.Semaphore(CONCURRENT)
        self._client = PostClient()

    @property
    def waiting(self) -> int:
        """Notifications not yet delivered or given up."""
        sending = sum(count for task, count in self._sending.items() if not task.done())
        return len(self._pending) + sending + sum(len(one.events) for _, one in self._held)

    def note(self, events: Iterable[Json], source: Source, occurred_ms: int) -> None:
        """Send those of a change's notifications that are subscribed to."""
        if self.settings.url is None:
            return
        for event in events:
            if self.settings.subscriptions & names(event):
                for portal_id in (self._portal_id, *self.settings.also_portals):
                    self._add(event, portal_id, source, occurred_ms)
        if self._pending:
            self._wake.set()

    def _add(self, event: Json, portal_id: int, source: Source, occurred_ms: int) -> None:
        number = next(self._ids)
        fixed = self.settings.one_event_id
        subscription = f"{event['subscriptionType']}.{event.get('propertyName', '')}"
        self._pending.append(
            {
                "eventId": number if fixed is None else fixed,
                "subscriptionId": zlib.crc32(subscription.encode()) % 1_000_000,
                "portalId": portal_id,
                "appId": self._app_id,
                "occurredAt": occurred_ms,
                "attemptNumber": 0,
                **event,
                "changeSource": source.type,
                "sourceId": source.id,
            }
        )

    async def run(self) -> None:
        """Deliver until cancelled."""
        try:
            while True:
                await self._wake.wait()
                await asyncio.sleep(self.settings.batch_seconds)
                self._wake.clear()
                events, self._pending = self._pending, []
                for start in range(0, len(events), BATCH_MAX):
                    self._plan(_Batch(events[start : start + BATCH_MAX]))
        finally:
            for task in self._sending:
                task.cancel()
            await asyncio.gather(*self._sending, return_exceptions=True)
            self._client.close()

    def _plan(self, batch: _Batch) -> None:
        path = urlsplit(self.settings.url or "").path
        name = f"{batch.events[0]['subscriptionType']} {path}"
        actions = self.faults.actions("delivery", "POST", name)
        behind = next((action.behind for action in actions if action.kind == "reorder"), 0)
        if behind:
            self._held.append((behind, batch))
            asyncio.get_running_loop().call_later(self.settings.held_seconds, self._release, batch)
            return
        self._start(batch, actions)
        held, self._held = self._held, []
        for left, late in held:
            if left <= 1:
                self._start(late, [])
            else:
                self._held.append((left - 1, late))

    def _release(self, batch: _Batch) -> None:
        waiting = [one for _, one in self._held]
        if any(one is batch for one in waiting):
            self._held = [(left, one) for left, one in self._held if one is not batch]
            self._start(batch, [])

    def _start(self, batch: _Batch, actions: list[Action]) -> None:
        copies = 1 + sum(action.copies for action in actions if action.kind == "duplicate")
        for _ in range(copies):
            task = asyncio.create_task(self._deliver(_Batch(batch.events), actions))
            self._sending[task] = len(batch.events)
            task.add_done_callback(self._sending.pop)

    async def _deliver(self, batch: _Batch, actions: list[Action]) -> None:
        for action in actions:
            if action.kind == "delay":
                await asyncio.sleep(action.delay_seconds)
        lost = any(action.kind == "drop_before" for action in actions)
        while batch.attempt <= ATTEMPTS_MAX and self.settings.url and not lost:
            status = await self._post(batch)
            if 200 <= status < 300:
                self.delivered += len(batch.events)
                return
            batch.attempt += 1
            await asyncio.sleep(self.settings.retry_seconds * batch.attempt)
        self.given_up += len(batch.events)

    async def _post(self, batch: _Batch) -> int:
        settings = self.settings
        body = orjson.dumps([{**event, "attemptNumber": batch.attempt} for event in batch.events])
        async with self._slots:
            began = time.time()
            try:
                async with asyncio.timeout(settings.timeout_seconds):
                    headers = self.headers(body, int(began * 1000))
                    status = await self._client.post(settings.url or "", body, headers)
            except (PostError, TimeoutError):
                status = 0
        self.posts.append(
            {
                "at": began,
                "events": len(batch.events),
                "event_ids": [event["eventId"] for event in batch.events],
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
