"""The control API's routes of the Stripe simulator alone."""

import time
from collections.abc import Callable
from typing import Any, get_args

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from plumbline_simulators.control import ControlError, answer, read_json
from plumbline_simulators.stripe.billing_settings import changed_billing, shown_billing
from plumbline_simulators.stripe.customers import set_behaviour
from plumbline_simulators.stripe.delivery import Deliverer
from plumbline_simulators.stripe.discounts import give_to_customer
from plumbline_simulators.stripe.errors import StripeError
from plumbline_simulators.stripe.eventlog import Cause
from plumbline_simulators.stripe.invoices import pay
from plumbline_simulators.stripe.ledger import Behaviour, Ledger
from plumbline_simulators.stripe.payment_methods import renew_card
from plumbline_simulators.stripe.refunds import close_dispute, create_dispute
from plumbline_simulators.stripe.seeding import seed
from plumbline_simulators.stripe.signing import signature_header
from plumbline_simulators.stripe.store import Record
from plumbline_simulators.stripe.touching import touch
from plumbline_simulators.stripe.webhook_endpoints import active_secrets, register, roll_secret

DAY_SECONDS = 86_400


class Controls:
    def __init__(self, ledger: Ledger, deliverer: Deliverer) -> None:
        self._ledger = ledger
        self._deliverer = deliverer

    def routes(self) -> list[Route]:
        return [
            Route("/control/seed", self.seed, methods=["POST"]),
            Route("/control/touch", self.touch, methods=["POST"]),
            Route("/control/billing", self.billing, methods=["GET", "POST"]),
            Route("/control/emit", self.emit, methods=["POST"]),
            Route("/control/endpoints", self.endpoints, methods=["GET", "POST"]),
            Route("/control/endpoints/{id}/roll", self.roll, methods=["POST"]),
            Route("/control/deliveries", self.deliveries),
            Route("/control/events/{id}/redeliver", self.redeliver, methods=["POST"]),
            Route("/control/objects/{kind}/{id}", self.read_object),
            Route("/control/objects/{kind}", self.count_objects),
            Route("/control/charges/{id}/dispute", self.dispute, methods=["POST"]),
            Route("/control/disputes/{id}/close", self.close_dispute, methods=["POST"]),
            Route("/control/payment_methods/{id}/card", self.card, methods=["POST"]),
            Route("/control/customers/{id}/discount", self.discount, methods=["POST"]),
            Route("/control/customers/{id}/payment_method", self.payment, methods=["POST"]),
        ]

    async def seed(self, request: Request) -> Response:
        return answer(seed(self._ledger, await read_json(request)), 201)

    async def touch(self, request: Request) -> Response:
        return answer(await touch(self._ledger, await read_json(request)))

    async def billing(self, request: Request) -> Response:
        """The account's billing settings, or those of them that the body changes."""
        if request.method == "POST":
            self._ledger.billing = changed_billing(self._ledger.billing, await read_json(request))
        return answer(shown_billing(self._ledger.billing))

    async def payment(self, request: Request) -> Response:
        """How the customer's payments go from now on; `pay_open` collects open invoices now."""
        data = await read_json(request)
        behaviour: Any = data.get("behaviour")
        if behaviour not in get_args(Behaviour):
            raise ControlError(f"behaviour: expected ok, fail or missing, found {behaviour!r}")
        customer = request.path_params["id"]
        ledger = self._ledger
        try:
            with ledger.caused_by(Cause()):
                set_behaviour(ledger, customer, behaviour)
                invoices = ledger.store.of_customer(customer, "invoice")
                due = [invoice for invoice in invoices if invoice["status"] == "open"]
                collect = data.get("pay_open") and behaviour == "ok"
                paid = [pay(ledger, invoice)["id"] for invoice in due] if collect else []
        except StripeError as error:
            return answer({"error": str(error)}, error.status)
        return answer({"customer": customer, "behaviour": behaviour, "paid": paid})

    async def discount(self, request: Request) -> Response:
        """The customer's discount from `coupon` or `promotion_code`, as the Dashboard gives it."""
        return await self._done(request, give_to_customer)

    async def dispute(self, request: Request) -> Response:
        """The cardholder disputes a charge: `reason`, `amount` (the whole charge)."""
        return await self._done(request, create_dispute)

    async def close_dispute(self, request: Request) -> Response:
        """The bank decides: `outcome` is won or lost."""
        return await self._done(
            request, lambda ledger, name, data: close_dispute(ledger, name, data.get("outcome", ""))
        )

    async def card(self, request: Request) -> Response:
        """The bank renews a card: `exp_month`, `exp_year`."""
        return await self._done(request, renew_card)

    async def _done(
        self, request: Request, change: Callable[[Ledger, str, dict[str, Any]], Record]
    ) -> Response:
        """A change that no API call makes, of the object in the path."""
        data = await read_json(request)
        try:
            with self._ledger.caused_by(Cause()):
                record = change(self._ledger, request.path_params["id"], data)
        except StripeError as error:
            return answer({"error": str(error)}, error.status)
        return answer(self._ledger.renderer.render(record))

    async def endpoints(self, request: Request) -> Response:
        if request.method == "GET":
            shown = [self._ledger.renderer.render(e) for e in self._ledger.events.endpoints]
            return answer({"endpoints": shown})
        data = await read_json(request)
        for name in ("url", "secret"):
            if not isinstance(data.get(name), str):
                raise ControlError(f"{name}: expected a string, found {data.get(name)!r}")
        payload = data.get("payload", "snapshot")
        if payload not in ("snapshot", "thin"):
            raise ControlError(f"payload: expected snapshot or thin, found {payload!r}")
        try:
            with self._ledger.caused_by(Cause()):
                record = register(
                    self._ledger,
                    url=data["url"],
                    secret=data["secret"],
                    enabled_events=data.get("enabled_events", ["*"]),
                    api_version=data.get("api_version"),
                    payload=payload,
                )
        except StripeError as error:
            raise ControlError(str(error)) from error
        return answer(self._ledger.renderer.render(record), 201)

    async def roll(self, request: Request) -> Response:
        """A given new secret; the old one signs along for `old_seconds` (a day) of real time."""
        data = await read_json(request)
        if not isinstance(data.get("secret"), str):
            raise ControlError("secret: expected a string")
        expires_at = time.time() + float(data.get("old_seconds", DAY_SECONDS))
        try:
            with self._ledger.caused_by(Cause()):
                name = request.path_params["id"]
                record = roll_secret(self._ledger, name, data["secret"], expires_at)
        except StripeError as error:
            return answer({"error": str(error)}, error.status)
        return answer({"id": record["id"], "secrets": len(record["_secrets"])})

    async def deliveries(self, request: Request) -> Response:
        limit = int(request.query_params.get("limit", "100"))
        log = self._deliverer.log(limit, request.query_params.get("event"))
        return answer({"counts": self._deliverer.counts(), "deliveries": log})

    async def redeliver(self, request: Request) -> Response:
        """The same event again `times`; `new_id`: as further events for the same change."""
        data = await read_json(request)
        name = request.path_params["id"]
        events = self._ledger.events
        if events.body(name) is None:
            return answer({"error": f"no such event: {name}"}, 404)
        sent = []
        with self._ledger.caused_by(Cause()):
            for _ in range(int(data.get("times", 1))):
                again = events.twin(name) if data.get("new_id") else name
                assert again is not None
                events.line_up(again, [e for e in events.endpoints if e["status"] == "enabled"])
                sent.append(again)
        return answer({"events": sent})

    async def emit(self, request: Request) -> Response:
        """POST an arbitrary `body` (JSON, or a string sent as it is), signed, to `url` or to
        every endpoint; `secret` and `timestamp` override, `signature` replaces the header.
        """
        data = await read_json(request)
        if "body" not in data:
            raise ControlError("body: missing")
        given = data["body"]
        body = given.encode() if isinstance(given, str) else orjson.dumps(given)
        targets: list[tuple[str, list[str]]] = [
            (endpoint["url"], active_secrets(endpoint, time.time()))
            for endpoint in self._ledger.events.endpoints
            if endpoint["status"] == "enabled"
        ]
        if "url" in data:
            targets = [(data["url"], [secret for _, keys in targets[:1] for secret in keys])]
        answers: list[dict[str, Any]] = []
        for url, secrets in targets:
            keys = [data["secret"]] if "secret" in data else secrets
            timestamp = int(data.get("timestamp", time.time()))
            header = data.get("signature") or signature_header(body, keys, timestamp)
            answers.append({"url": url, "status": await self._deliverer.post(url, body, header)})
        return answer({"answers": answers})

    async def read_object(self, request: Request) -> Response:
        kind, name = request.path_params["kind"], request.path_params["id"]
        version = request.query_params.get("version", self._ledger.version)
        record = self._ledger.store.get(name, kind)
        if kind == "event":
            event = self._ledger.events.read(name, self._ledger.now())
            return answer(event) if event else answer({"error": f"no such event: {name}"}, 404)
        if record is None:
            return answer({"error": f"no such {kind}: {name}"}, 404)
        return answer(self._ledger.renderer.render(record, version))

    async def count_objects(self, request: Request) -> Response:
        kind = request.path_params["kind"]
        if kind == "event":
            return answer({"count": self._ledger.events.count()})
        return answer({"count": self._ledger.store.count(kind)})
