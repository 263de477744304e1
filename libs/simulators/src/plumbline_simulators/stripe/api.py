"""The v1 API over ASGI: access, parameters, idempotency, answer and error headers."""

from collections.abc import Mapping
from email.utils import format_datetime
from typing import NamedTuple

import orjson

from plumbline_simulators.gate import Receive, Scope, Send
from plumbline_simulators.stripe import routes
from plumbline_simulators.stripe.access import Access, RateLimit
from plumbline_simulators.stripe.calls import Call
from plumbline_simulators.stripe.errors import StripeError
from plumbline_simulators.stripe.eventlog import Cause
from plumbline_simulators.stripe.expand import Expander
from plumbline_simulators.stripe.forms import decode_form
from plumbline_simulators.stripe.idempotency import IdempotencyKeys, fingerprint
from plumbline_simulators.stripe.ledger import Ledger
from plumbline_simulators.stripe.params import sequence
from plumbline_simulators.stripe.versions import check_version


class Request(NamedTuple):
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class StripeApi:
    """An ASGI app; every call runs to its end before the next begins."""

    def __init__(self, ledger: Ledger, access: Access, limit: RateLimit) -> None:
        self._ledger = ledger
        self._access = access
        self._limit = limit
        self._keys = IdempotencyKeys(ledger.store)
        self._expander = Expander(ledger.store, ledger.renderer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        message = await receive()
        request = Request(
            scope["method"],
            scope["path"],
            scope["query_string"].decode("latin-1"),
            {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]},
            message.get("body", b""),
        )
        answer = self.answer(request)
        headers = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in answer.headers.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    def answer(self, request: Request) -> Answer:
        version = request.headers.get("stripe-version", self._ledger.version)
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        cause = Cause(self._ledger.ids.next("req"), key)
        headers = {
            "Content-Type": "application/json",
            "Date": format_datetime(self._ledger.clock.now(), usegmt=True),
            "Request-Id": str(cause.request_id),
            "Stripe-Version": version,
        }
        if key is not None:
            headers["Idempotency-Key"] = key
        try:
            status, body = self._result(request, version, cause, headers)
        except StripeError as error:
            headers.update(error.headers)
            status, body = error.status, _error_body(error)
        headers["Content-Length"] = str(len(body))
        return Answer(status, headers, body)

    def _result(
        self, request: Request, version: str, cause: Cause, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        """Refusals are raised; what ran is remembered under its idempotency key."""
        resource = request.path.strip("/").split("/")[1:2]
        self._access.check(request.method, resource[0] if resource else "", request.headers)
        self._limit.take()
        check_version(version)
        key = cause.idempotency_key
        if key is None:
            return 200, self._run(request, version, cause)
        now = self._ledger.now()
        print_of_call = fingerprint(request.method, request.path, request.body)
        replay = self._keys.replay(key, print_of_call, now)
        if replay is not None:
            headers["Idempotent-Replayed"] = "true"
            return replay
        try:
            status, body = 200, self._run(request, version, cause)
        except StripeError as error:
            status, body = error.status, _error_body(error)
            headers.update(error.headers)
        self._keys.remember(key, print_of_call, now, status, body)
        return status, body

    def _run(self, request: Request, version: str, cause: Cause) -> bytes:
        key, _, object_id = routes.find(request.method, request.path)
        params = decode_form(_form_text(request))
        params = routes.check_parameters(key, params, version)
        expand = sequence(params, "expand")
        call = Call(self._ledger, params, object_id, version, request.path, self._access.account_id)
        with self._ledger.caused_by(cause):
            shaped = routes.ROUTES[key](call)
            return orjson.dumps(self._expander.expand(shaped, expand, version))


def _form_text(request: Request) -> str:
    """GET and DELETE carry parameters in the query, POST in the body (and the query)."""
    if request.method != "POST" or not request.body:
        return request.query
    try:
        text = request.body.decode()
    except UnicodeDecodeError as error:
        raise StripeError(400, "Invalid request: the body is not UTF-8.") from error
    return f"{request.query}&{text}" if request.query else text


def _error_body(error: StripeError) -> bytes:
    return orjson.dumps({"error": error.error})
