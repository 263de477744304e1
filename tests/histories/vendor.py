"""One simulated Stripe account, called in this process: no server, no network."""

import contextlib
import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, urlencode

import httpx
import orjson
from plumbline_connectors.http import Answer, BearerToken, Params, VendorHttp
from plumbline_connectors.stripe.client import StripeClient, judge_stripe
from plumbline_simulators.clock import SimulatedClock
from plumbline_simulators.stripe.access import Access, RateLimit
from plumbline_simulators.stripe.api import Request, StripeApi
from plumbline_simulators.stripe.discounts import give_to_customer
from plumbline_simulators.stripe.errors import StripeError
from plumbline_simulators.stripe.eventlog import Cause
from plumbline_simulators.stripe.jobs import run_job
from plumbline_simulators.stripe.ledger import BillingSettings, Ledger
from plumbline_simulators.stripe.store import Record, Store

KEY: Final = "sk_test_histories"
START: Final = datetime(2026, 1, 5, 9, tzinfo=UTC)
_LEADING: Final = ("invoice_payment.", "refund.", "charge.refund.", "customer.discount.")
_HEADERS: Final = {"authorization": f"Bearer {KEY}"}


class Vendor:
    """Its clock moves only when told; what was billed meanwhile leaves its events."""

    def __init__(
        self, seed: str, *, version: str, billing: BillingSettings, all_events: bool
    ) -> None:
        """`all_events`: the endpoint also takes those that only lead to another object."""
        self.clock = SimulatedClock(START, frozen=True)
        self.ledger = Ledger(
            Store(), self.clock, seed=seed, livemode=False, version=version, billing=billing
        )
        self._api = StripeApi(self.ledger, Access((KEY,), "acct_1Histories"), RateLimit(None))
        self._version = version
        self._left_out = () if all_events else _LEADING
        self._told = 0
        self._news: list[bytes] = []
        self.client = StripeClient(_InProcess(self))

    def close(self) -> None:
        """Forget the account."""
        self.ledger.store.close()

    def call(
        self, method: str, path: str, params: Mapping[str, Any] | None = None
    ) -> Record | None:
        """The API's answer; None when it refuses."""
        text = urlencode(list(_form(params or {})))
        query, body = ("", text) if method == "POST" else (text, "")
        answer = self._api.answer(Request(method, path, query, _HEADERS, body.encode()))
        if answer.status >= 500:
            raise RuntimeError(f"{method} {path}: {answer.body!r}")
        found: Record = orjson.loads(answer.body)
        return found if answer.status < 300 else None

    def answer(self, method: str, path: str, query: str, version: str) -> tuple[int, bytes, str]:
        """Status, body and `Date` of a call at a version of the caller's own."""
        headers = {**_HEADERS, "stripe-version": version}
        found = self._api.answer(Request(method, path, query, headers, b""))
        return found.status, found.body, found.headers["Date"]

    def advance(self, seconds: float) -> None:
        """Let time pass: each billing job runs at its own instant."""
        target = self.clock.now() + timedelta(seconds=seconds)
        until = int(target.timestamp())
        while True:
            with self.ledger.caused_by(Cause()):
                job = self.ledger.store.take_job(until)
                if job is None:
                    break
                due = datetime.fromtimestamp(job.at, UTC)
                if due > self.clock.now():
                    self.clock.advance_to(due)
                run_job(self.ledger, job)
        self.clock.advance_to(target)
        self._collect()

    def events(self) -> list[bytes]:
        """Bodies of the events since the last call, as the endpoint's version writes them."""
        self._collect()
        found, self._news = self._news, []
        return found

    @property
    def has_news(self) -> bool:
        """Whether something happened since."""
        self._collect()
        return bool(self._news)

    def _collect(self) -> None:
        """The account forgets its events after 30 days."""
        rows = self.ledger.store.connection.execute(
            "select sequence, id, type from events where sequence > ? order by sequence",
            (self._told,),
        ).fetchall()
        for sequence, name, kind in rows:
            self._told = sequence
            body = self.ledger.events.body(name)
            if body is not None and not kind.startswith(self._left_out):
                self._news.append(body)

    def twin(self) -> None:
        """A second event, with an id of its own, for the change that was told last."""
        self._collect()
        if self._news:
            self.ledger.events.twin(orjson.loads(self._news[-1])["id"])

    def give_discount(self, customer: str, given: Mapping[str, str]) -> None:
        """As the Dashboard gives a customer a discount."""
        with contextlib.suppress(StripeError), self.ledger.caused_by(Cause()):
            give_to_customer(self.ledger, customer, dict(given))

    def all_of(self, kind: str) -> list[Record]:
        """Every object of a kind, as stored, oldest first."""
        return self.ledger.store.page_all(kind)


def _form(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in params.items():
        place = f"{prefix}[{name}]" if prefix else str(name)
        if isinstance(value, Mapping):
            yield from _form(value, place)
        elif isinstance(value, list):
            yield from _form({str(n): one for n, one in enumerate(value)}, place)
        elif value is None:
            yield (place, "")
        else:
            yield (place, str(value).lower() if isinstance(value, bool) else str(value))


class _InProcess(VendorHttp):
    """What the reader's client calls, without a connection."""

    def __init__(self, vendor: Vendor) -> None:
        super().__init__(
            "http://stripe.example", where="histories", credentials=BearerToken(KEY),
            judge=judge_stripe,
        )  # fmt: skip
        self._vendor = vendor
        self._took = random.Random(1)

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        accept: frozenset[int] = frozenset(),
        **_: Any,
    ) -> Answer:
        """As the real one answers, the measured duration included."""
        query = "&".join(f"{name}={quote(value)}" for name, value in params or ())
        version = (headers or {})["stripe-version"]
        status, body, date = self._vendor.answer(method, path, query, version)
        elapsed = self._took.uniform(0.02, 0.4)
        stamped = datetime.strptime(date, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
        began = (stamped - timedelta(seconds=elapsed)).replace(microsecond=0)
        answer = Answer(
            status, httpx.Headers({"date": date}), body, began, began, elapsed, self.where
        )
        if status >= 300 and status not in accept:
            raise judge_stripe(answer)
        return answer
