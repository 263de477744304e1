"""The HTTP edge: a delivery is answered with 200 only once Kafka holds it (design 1).

A plain ASGI callable, because a framework would cost half the throughput (engineering 4). No
request header reaches Kafka.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple, Protocol

import orjson
import structlog
from plumbline_connectors.signing import SignatureError
from plumbline_runtime import failpoints
from plumbline_runtime.producer import Message, PublishFailed
from plumbline_runtime.repeats import Repeats
from plumbline_schemas.topics import WEBHOOKS_RECEIVED, Topic
from prometheus_client import Counter

from ingest_webhooks.bodies import BodyTooLarge, Disconnected, Receive, read_body
from ingest_webhooks.deliveries import Source, delivery_headers
from ingest_webhooks.endpoints import SIGNATURE_HEADERS, Endpoint
from ingest_webhooks.metrics import ACK_SECONDS, REQUESTS
from ingest_webhooks.refusals import Tally
from ingest_webhooks.settings import IngestSettings

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

log = structlog.get_logger()


class Publisher(Protocol):
    """The part of the runtime's producer that the edge needs."""

    async def publish(
        self, topic: Topic, message: Message, *, timeout_seconds: float | None = None
    ) -> None:
        """Return when all replicas have it; raises PublishFailed."""


class Readiness(Protocol):
    """Whether an event posted now will flow."""

    async def report(self) -> tuple[bool, dict[str, Any]]:
        """Ready or not, and what is missing."""


class Answer(NamedTuple):
    """A complete HTTP answer."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    result: str = ""
    """Value of the `result` label."""


_CLOSE: Final = (b"connection", b"close")


def answer(
    status: int, result: str, detail: str, *headers: tuple[bytes, bytes], close: bool = False
) -> Answer:
    """A JSON answer whose `error` a person can act on; counted under `result`."""
    closing = (_CLOSE,) if close else ()
    return Answer(status, orjson.dumps({"error": detail}), (*headers, *closing), result)


_NEEDED: Final = {
    name.encode(): name for name in ("content-type", "content-length", *SIGNATURE_HEADERS)
}
"""The only request headers that are looked at; ASGI servers give their names in lower case."""

_RETRY: Final = (b"retry-after", b"1")
ACCEPTED: Final = Answer(200, b'{"received":true}', (), "accepted")
NOT_FOUND: Final = answer(404, "unknown_path", "no such path")
UNKNOWN: Final = answer(404, "unknown_connection", "no such workspace or connection")
POST_ONLY: Final = answer(405, "bad_method", "only POST", (b"allow", b"POST"))
GET_ONLY: Final = answer(405, "bad_method", "only GET", (b"allow", b"GET, HEAD"))
BAD_TYPE: Final = answer(415, "bad_content_type", "content-type must be application/json")
SLOW: Final = answer(408, "slow_body", "the body did not arrive in time", close=True)
DRAINING: Final = answer(503, "draining", "shutting down", _RETRY, close=True)
OVERLOADED: Final = answer(503, "overloaded", "too many requests wait for storage", _RETRY)
NOT_STORED: Final = answer(
    503, "not_stored", "the event could not be stored, send it again", _RETRY
)
NOT_READY: Final = Answer(
    503,
    orjson.dumps(
        {
            "ready": False,
            "missing": [
                {"service": "ingest-webhooks", "missing": "stopping", "detail": "draining"}
            ],
        }
    ),
)
LIVE: Final = Answer(200, b'{"live":true}')


class Edge:
    """ASGI application: `POST /webhooks/{workspace}/{connection}` and `GET /health/*`."""

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        publisher: Publisher,
        readiness: Readiness,
        settings: IngestSettings,
        *,
        stopping: Callable[[], bool],
        now: Callable[[], float] = time.time,
        tally: Tally | None = None,
    ) -> None:
        self._endpoints = endpoints
        self._publisher = publisher
        self._readiness = readiness
        self._settings = settings
        self._stopping = stopping
        self._now = now
        self._tally = tally or Tally()
        self._waiting = 0
        self._repeats = Repeats()  # while Kafka is away every delivery is refused
        self._too_large = answer(
            413, "too_large", f"body is over {settings.max_body_bytes} bytes", close=True
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of the ASGI server."""
        kind = scope["type"]
        if kind == "lifespan":
            await _lifespan(receive, send)
            return
        if kind != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        path = scope["path"]
        if path.startswith("/health/"):
            reply = await self._health(path, scope["method"])
        else:
            try:
                reply = await self._webhook(path, scope, receive)
            except Disconnected:
                return
        if self._stopping():
            reply = _last(reply)
        await _respond(send, reply, head=scope["method"] == "HEAD")

    async def _health(self, path: str, method: str) -> Answer:
        if path not in {"/health/live", "/health/ready"}:
            return NOT_FOUND
        if method not in {"GET", "HEAD"}:
            return GET_ONLY
        if path == "/health/live":
            return LIVE
        if self._stopping():
            return NOT_READY
        ready, body = await self._readiness.report()
        return Answer(200 if ready else 503, orjson.dumps(body))

    async def _webhook(self, path: str, scope: Scope, receive: Receive) -> Answer:
        endpoint = self._endpoints.get(path)
        if endpoint is None:
            reply = UNKNOWN if path.startswith("/webhooks/") else NOT_FOUND
            REQUESTS.labels("unknown", reply.result).inc()
            return reply
        try:
            reply = await self._accept(endpoint, scope, receive)
        except Disconnected:
            REQUESTS.labels(endpoint.source.label, "disconnected").inc()
            raise
        _requests(endpoint.source, reply.result).inc()
        return reply

    async def _accept(self, endpoint: Endpoint, scope: Scope, receive: Receive) -> Answer:
        headers = {
            _NEEDED[name]: value.decode("latin-1")
            for name, value in scope["headers"]
            if name in _NEEDED
        }
        turned_away = self._turned_away(scope["method"], headers)
        if turned_away is not None:
            return turned_away
        try:
            async with asyncio.timeout(self._settings.body_timeout):
                body = await read_body(
                    receive,
                    limit=self._settings.max_body_bytes,
                    declared=_length(headers.get("content-length")),
                )
        except BodyTooLarge:
            return self._too_large
        except TimeoutError:
            return SLOW
        if self._stopping():  # the body is read: an answer before it may meet a reset
            return DRAINING
        refused = self._refused(endpoint, body, headers, scope)
        return refused or await self._store(endpoint, body)

    def _turned_away(self, method: str, headers: Mapping[str, str]) -> Answer | None:
        """What can be said before the body is read."""
        if method != "POST":
            return POST_ONLY
        if self._waiting >= self._settings.max_waiting:
            return OVERLOADED
        return None if is_json(headers.get("content-type", "")) else BAD_TYPE

    def _refused(
        self, endpoint: Endpoint, body: bytes, headers: Mapping[str, str], scope: Scope
    ) -> Answer | None:
        query = scope.get("query_string", b"").decode("latin-1")
        try:
            endpoint.verify(body, headers, query, self._now())
        except SignatureError as error:
            self._tally.refused[endpoint.source] += 1
            log.info("webhook_refused", source=endpoint.source.label, reason=error.reason)
            return answer(
                endpoint.refused_status,
                f"signature_{error.reason}",
                f"signature not accepted: {error.reason}",
            )
        return None

    async def _store(self, endpoint: Endpoint, body: bytes) -> Answer:
        if self._waiting >= self._settings.max_waiting:
            return OVERLOADED
        delivery = endpoint.file(body)
        received_at = datetime.fromtimestamp(self._now(), UTC)
        headers = delivery_headers(
            endpoint.source, delivery_id=delivery.id, key=delivery.key, received_at=received_at
        )
        message = Message(delivery.key, body, headers)
        began = time.perf_counter()
        self._waiting += 1
        failpoints.hit("edge.before_ack")
        try:
            await self._publisher.publish(
                WEBHOOKS_RECEIVED, message, timeout_seconds=self._settings.ack_timeout
            )
        except PublishFailed as error:
            told = self._repeats.told(endpoint.source.label, time.monotonic())
            if told is not None:
                log.warning("webhook_not_stored", source=endpoint.source.label, error=error, **told)
            return NOT_STORED
        finally:
            self._waiting -= 1
        failpoints.hit("edge.after_ack")
        self._tally.accepted[endpoint.source] += 1
        ACK_SECONDS.observe(time.perf_counter() - began)
        return ACCEPTED


@lru_cache(maxsize=4096)
def _requests(source: Source, result: str) -> Counter:
    """The counter of a source's answers of one kind."""
    return REQUESTS.labels(source.label, result)


def is_json(content_type: str) -> bool:
    """Whether the media type is application/json, whatever parameters follow it."""
    if content_type == "application/json":
        return True
    return content_type.partition(";")[0].strip().lower() == "application/json"


def _last(reply: Answer) -> Answer:
    """The same answer on a connection that takes no further request."""
    if _CLOSE in reply.headers:
        return reply
    return reply._replace(headers=(*reply.headers, _CLOSE))


def _length(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None


async def _respond(send: Send, reply: Answer, *, head: bool) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(reply.body)).encode()),
        *reply.headers,
    ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else reply.body})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
