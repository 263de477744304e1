"""One vendor's HTTP API: httpx with our rules on time-outs, retries and what errors may say."""

import asyncio
import contextlib
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final, NamedTuple, Protocol

import httpx
from plumbline_schemas.errors import Conflict, Permanent, Retryable, Unauthorized, VendorError

from plumbline_connectors.decoding import Undecodable, decode_json

Params = Sequence[tuple[str, str]]
MESSAGE_LIMIT: Final = 300
MAX_WAIT_SECONDS: Final = 86_400.0

_SECRET_LIKE: Final = re.compile(r"\b(?:sk|rk|whsec|pat)[-_][\w*.-]+")
_EMAIL_LIKE: Final = re.compile(r"[^\s@\"'<>]+@[^\s@\"'<>]+")


class Answer(NamedTuple):
    """A vendor's answer, whatever its status."""

    status: int
    headers: Mapping[str, str]
    """Names are found in any case."""
    body: bytes
    began_at: datetime
    """When the request started, by our clock."""
    vendor_began_at: datetime
    """The same instant by the vendor's clock: its `Date` less the measured duration, floored to
    the second (design 5); ours when the vendor sent no `Date`."""
    elapsed_seconds: float
    where: str
    """Connection and call, for messages."""

    @property
    def date(self) -> datetime | None:
        """The vendor's `Date`, None when there is none that can be read."""
        return http_date(self.headers.get("date"))

    def json(self) -> Any:
        """Decoded body, exact (see `decoding`).

        Raises:
            Retryable: it isn't JSON, as when a proxy answered in the vendor's place.
        """
        try:
            return decode_json(self.body)
        except Undecodable as error:
            message = f"the answer is no JSON ({len(self.body)} bytes)"
            raise Retryable(message, where=self.where, status=self.status) from error


Judge = Callable[[Answer], VendorError]
"""Makes the error of an answer that the caller did not accept."""


class Credentials(Protocol):
    """Where the `Authorization` header comes from."""

    async def authorization(self) -> str | None:
        """Value of the header, None to send none."""

    def refused(self) -> None:
        """The vendor answered 401 to the last value: forget it if another can be had."""

    def same_as(self, other: "Credentials") -> bool:
        """Whether the other was made from the same secrets."""


class BearerToken:
    """A token that stays what it is."""

    def __init__(self, token: str) -> None:
        self.value = f"Bearer {token}"

    async def authorization(self) -> str | None:
        """Value of the header."""
        return self.value

    def refused(self) -> None:
        """There is no other."""

    def same_as(self, other: Credentials) -> bool:
        """Whether it is the same token."""
        return isinstance(other, BearerToken) and other.value == self.value


class NoCredentials:
    """For calls that carry their proof in the body."""

    async def authorization(self) -> str | None:
        """No header."""
        return None

    def refused(self) -> None:
        """Nothing to forget."""

    def same_as(self, other: Credentials) -> bool:
        """Nothing is like nothing."""
        return isinstance(other, NoCredentials)


class VendorHttp:
    """Requests to one vendor for one connection; safe for concurrent use, loopback or not.

    No redirect is followed (the next host would get our token), no proxy of the environment is
    used, nothing is retried here: callers own back-off and budget.
    """

    def __init__(
        self,
        base_url: str,
        *,
        where: str,
        credentials: Credentials,
        judge: Judge | None = None,
        timeout_seconds: float = 15.0,
        max_connections: int = 8,
    ) -> None:
        """`where` names the connection in messages; `judge` words the errors of its vendor."""
        self.where = where
        self.credentials = credentials
        self._judge = judge or judge_generic
        self._client = httpx.AsyncClient(
            base_url=base_url.rstrip("/"),
            timeout=timeout_seconds,
            limits=httpx.Limits(
                max_connections=max_connections, max_keepalive_connections=max_connections
            ),
            trust_env=False,
            follow_redirects=False,
            headers={"user-agent": "plumbline", "accept": "application/json"},
        )
        self._deadline_seconds = 2 * timeout_seconds

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        accept: frozenset[int] = frozenset(),
    ) -> Answer:
        """Send one request and wait for the whole answer.

        Args:
            method: HTTP method.
            path: path from the base address.
            params: query, in order; a name may come more than once.
            json: body to send as JSON.
            form: body to send as a form.
            headers: further headers.
            accept: statuses from 300 on that the caller handles; below 300 is always accepted.

        Raises:
            Retryable: no answer, or one that says so.
            Unauthorized, Permanent, Conflict: as the vendor's judge says.
        """
        sent = dict(headers or {})
        authorization = await self.credentials.authorization()
        if authorization is not None:
            sent["authorization"] = authorization
        request = self._client.build_request(
            method, path, params=list(params or ()), json=json, data=form, headers=sent
        )
        answer = await self._send(request, f"{self.where} {method} {path}")
        if answer.status < 300 or answer.status in accept:
            return answer
        if answer.status == 401:
            self.credentials.refused()
        raise self._judge(answer)

    def adopt(self, other: "VendorHttp") -> bool:
        """Call with the other's credentials from now on; False when ours are the same."""
        if self.credentials.same_as(other.credentials):
            return False
        self.credentials = other.credentials
        return True

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _send(self, request: httpx.Request, where: str) -> Answer:
        began_at = datetime.now(UTC)
        clock = time.perf_counter()
        with _as_retryable(where):
            async with asyncio.timeout(self._deadline_seconds):
                response = await self._client.send(request)
        elapsed = time.perf_counter() - clock
        return Answer(
            response.status_code,
            response.headers,
            response.content,
            began_at,
            _vendor_began_at(response.headers.get("date"), began_at, elapsed),
            elapsed,
            where,
        )


def judge_generic(answer: Answer) -> VendorError:
    """Word an error by HTTP's own meaning of the status alone."""
    message = error_message(answer)
    where, status = answer.where, answer.status
    if status in {401, 403}:
        return Unauthorized(message, where=where, status=status)
    if status == 409:
        return Conflict(message, where=where, status=status)
    if status in {408, 425, 429} or status >= 500:
        return Retryable(
            message,
            where=where,
            status=status,
            retry_after=retry_after(answer),
            rate_limited=status == 429,
        )
    return Permanent(message, where=where, status=status)


def error_body(answer: Answer) -> dict[str, Any]:
    """The error answer's JSON object, empty when it is none."""
    try:
        decoded = decode_json(answer.body)
    except Undecodable:
        return {}
    return decoded if isinstance(decoded, dict) else {}


def error_message(answer: Answer) -> str:
    """Status and the vendor's own message, shortened, without what looks like a key or address."""
    decoded = error_body(answer)
    error = decoded.get("error")
    found = error.get("message") if isinstance(error, dict) else decoded.get("message")
    if not isinstance(found, str) and isinstance(error, str):
        found = error
    said = f": {scrub(found)}" if isinstance(found, str) and found else ""
    return f"HTTP {answer.status}{said}"


def scrub(text: str) -> str:
    """Shorten a vendor's message and take out what looks like a key or an e-mail address."""
    return _EMAIL_LIKE.sub("[address]", _SECRET_LIKE.sub("[secret]", text))[:MESSAGE_LIMIT]


def retry_after(answer: Answer) -> float | None:
    """Seconds the `Retry-After` header asks for (number or date), None without a usable one."""
    value = answer.headers.get("retry-after")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        until = http_date(value)
        if until is None:
            return None
        now = answer.date or answer.began_at + timedelta(seconds=answer.elapsed_seconds)
        seconds = (until - now).total_seconds()
    if not 0 <= seconds < float("inf"):
        return None
    return min(seconds, MAX_WAIT_SECONDS)


def http_date(value: str | None) -> datetime | None:
    """Read an HTTP date as UTC, None when it isn't one."""
    if value is None:
        return None
    try:
        parsed = parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return None
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def _vendor_began_at(date: str | None, began_at: datetime, elapsed: float) -> datetime:
    answered = http_date(date)
    began = began_at if answered is None else answered - timedelta(seconds=elapsed)
    return began.replace(microsecond=0)


@contextlib.contextmanager
def _as_retryable(where: str) -> Iterator[None]:
    try:
        yield
    except (httpx.TransportError, TimeoutError) as error:
        # The class says enough (ConnectTimeout, ReadError); texts may hold addresses.
        raise Retryable(type(error).__name__, where=where) from error
    except httpx.DecodingError as error:
        raise Retryable("the answer's content encoding is broken", where=where) from error
