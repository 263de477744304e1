"""Webhook delivery: signed afresh per attempt, in the order of creation, retried with back-off."""

import asyncio
import heapq
import itertools
import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import orjson

from plumbline_simulators.faults import Action, FaultBook
from plumbline_simulators.posting import PostClient, PostError
from plumbline_simulators.stripe.ledger import Ledger
from plumbline_simulators.stripe.signing import signature_header
from plumbline_simulators.stripe.store import Record
from plumbline_simulators.stripe.thin import thin_form
from plumbline_simulators.stripe.webhook_endpoints import active_secrets

HELD_SECONDS = 1.0  # a reordered delivery goes out after this even when nothing overtakes it
USER_AGENT = "Stripe/1.0 (+https://stripe.com/docs/webhooks)"


@dataclass(frozen=True)
class DeliverySettings:
    """Real seconds. The last back-off repeats until `max_attempts`; one at a time with
    `concurrency` 1, which makes the order of arrival strict.
    """

    concurrency: int = 32
    backoff_seconds: tuple[float, ...] = (1, 2, 5, 10, 30, 60)
    max_attempts: int = 30
    timeout_seconds: float = 20.0


class _Delivery(NamedTuple):
    sequence: int
    event_id: str
    endpoint_id: str
    tampered: bool = False  # its faults were already decided


class Deliverer:
    """Reads new deliveries from the store; `run` until cancelled."""

    def __init__(self, ledger: Ledger, faults: FaultBook, settings: DeliverySettings) -> None:
        self._ledger = ledger
        self._sql = ledger.store.connection
        self._faults = faults
        self._settings = settings
        self.client = PostClient(timeout_seconds=settings.timeout_seconds)
        self._wake = asyncio.Event()
        self._ready: deque[_Delivery] = deque()
        self._later: list[tuple[float, int, _Delivery]] = []
        self._held: list[tuple[int, float, _Delivery]] = []
        self._ties = itertools.count()
        self._tasks: set[asyncio.Task[None]] = set()
        self._seen = 0
        self._started = 0
        self.statuses: Counter[int] = Counter()  # 0: no answer
        ledger.events.notify = self._wake.set

    async def run(self) -> None:
        try:
            while True:
                self._wake.clear()
                self._collect()
                while self._ready and len(self._tasks) < self._settings.concurrency:
                    self._start(self._ready.popleft())
                await self._rest()
        finally:
            for task in self._tasks:
                task.cancel()
            self.client.close()

    def counts(self) -> dict[str, Any]:
        rows = self._sql.execute("SELECT state, count(*) FROM deliveries GROUP BY state")
        states = {"pending": 0, "delivered": 0, "failed": 0, "stopped": 0, **dict(rows.fetchall())}
        answers = {str(status): number for status, number in sorted(self.statuses.items())}
        return {**states, "in_flight": len(self._tasks), "answers": answers}

    def log(self, limit: int, event_id: str | None = None) -> list[dict[str, Any]]:
        """The newest deliveries, newest first."""
        condition = "WHERE event_id = ?" if event_id else ""
        rows = self._sql.execute(
            "SELECT sequence, event_id, endpoint_id, state, attempts, statuses"  # noqa: S608
            f" FROM deliveries {condition} ORDER BY sequence DESC LIMIT ?",
            (event_id, limit) if event_id else (limit,),
        )
        names = ("sequence", "event", "endpoint", "state", "attempts")
        return [
            {
                **dict(zip(names, row[:5], strict=True)),
                "statuses": [int(status) for status in row[5].split()],
            }
            for row in rows
        ]

    def _collect(self) -> None:
        """New rows, retries whose time has come, and held ones that were overtaken."""
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            self._ready.append(heapq.heappop(self._later)[2])
        for entry in list(self._held):
            if entry[0] <= self._started or entry[1] <= now:
                self._held.remove(entry)
                self._ready.append(entry[2])
        if len(self._ready) < 1000:
            rows = self._sql.execute(
                "SELECT sequence, event_id, endpoint_id FROM deliveries"
                " WHERE sequence > ? AND state = 'pending' ORDER BY sequence LIMIT 1000",
                (self._seen,),
            ).fetchall()
            self._ready.extend(_Delivery(*row) for row in rows)
            if rows:
                self._seen = rows[-1][0]

    async def _rest(self) -> None:
        times = [entry[1] for entry in self._held]
        if self._later:
            times.append(self._later[0][0])
        pause = max(min(times) - time.monotonic(), 0.0) if times else None
        try:
            async with asyncio.timeout(pause):
                await self._wake.wait()
        except TimeoutError:
            return

    def _start(self, delivery: _Delivery) -> None:
        self._started += 1
        task = asyncio.create_task(self._deliver(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._wake.set()
        if not task.cancelled() and task.exception() is not None:
            task.get_loop().call_exception_handler(
                {"message": "a webhook delivery broke off", "exception": task.exception()}
            )

    async def _deliver(self, delivery: _Delivery) -> None:
        endpoint = self._endpoint(delivery.endpoint_id)
        if endpoint is None:
            self._set_state(delivery, "stopped")
            return
        body = self._ledger.events.body(delivery.event_id, endpoint.get("api_version"))
        if body is None:
            self._set_state(delivery, "stopped")
            return
        if endpoint.get("_payload") == "thin":
            body = orjson.dumps(thin_form(orjson.loads(body)))
        actions = [] if delivery.tampered else self._actions(delivery, endpoint)
        for action in actions:
            if action.kind in ("delay", "reorder"):
                self._postpone(delivery._replace(tampered=True), action)
                return
        status = await self._attempt(endpoint, body, actions)
        self.statuses[status] += 1
        self._record(delivery, status)

    async def _attempt(self, endpoint: Record, body: bytes, actions: list[Action]) -> int:
        kinds = {action.kind: action for action in actions}
        if "drop_before" in kinds:
            return 0
        if "status" in kinds:
            return kinds["status"].status
        timestamp = int(time.time())
        header = signature_header(body, active_secrets(endpoint, timestamp), timestamp)
        sent = body[: len(body) // 2] if "truncate" in kinds else body
        for _ in range(kinds["duplicate"].copies if "duplicate" in kinds else 0):
            await self.post(endpoint["url"], sent, header)
        status = await self.post(endpoint["url"], sent, header)
        if "status_after" in kinds:
            return kinds["status_after"].status
        return 0 if "drop_after" in kinds else status

    async def post(self, url: str, body: bytes, signature: str) -> int:
        """One POST; 0 when there was no answer."""
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature,
            "User-Agent": USER_AGENT,
        }
        try:
            return await self.client.post(url, body, headers)
        except PostError:
            return 0

    def _record(self, delivery: _Delivery, status: int) -> None:
        attempts = self._sql.execute(
            "UPDATE deliveries SET attempts = attempts + 1, statuses = statuses || ' ' || ?"
            " WHERE sequence = ? RETURNING attempts",
            (status, delivery.sequence),
        ).fetchone()
        if 200 <= status < 300:
            self._set_state(delivery, "delivered")
        elif attempts is None or attempts[0] >= self._settings.max_attempts:
            self._set_state(delivery, "failed")
        else:
            pauses = self._settings.backoff_seconds
            pause = pauses[min(attempts[0], len(pauses)) - 1]
            again = delivery._replace(tampered=False)
            heapq.heappush(self._later, (time.monotonic() + pause, next(self._ties), again))

    def _postpone(self, delivery: _Delivery, action: Action) -> None:
        now = time.monotonic()
        if action.kind == "delay":
            due = now + action.delay_seconds
            heapq.heappush(self._later, (due, next(self._ties), delivery))
        else:
            self._held.append((self._started + action.behind, now + HELD_SECONDS, delivery))

    def _actions(self, delivery: _Delivery, endpoint: Record) -> list[Action]:
        row = self._sql.execute(
            "SELECT type FROM events WHERE id = ?", (delivery.event_id,)
        ).fetchone()
        subject = f"{row[0] if row else ''} {urlsplit(endpoint['url']).path}"
        return self._faults.actions("delivery", "POST", subject)

    def _endpoint(self, endpoint_id: str) -> Record | None:
        for endpoint in self._ledger.events.endpoints:
            if endpoint["id"] == endpoint_id and endpoint["status"] == "enabled":
                return endpoint
        return None

    def _set_state(self, delivery: _Delivery, state: str) -> None:
        self._sql.execute(
            "UPDATE deliveries SET state = ? WHERE sequence = ?", (state, delivery.sequence)
        )
