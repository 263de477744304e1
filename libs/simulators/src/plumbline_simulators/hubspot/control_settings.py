"""HubSpot's part of the control API: limits, tokens, webhooks, faults of rows, behaviour."""

import re
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from plumbline_simulators.control import ControlError, answer, read_json
from plumbline_simulators.hubspot.errors import HubSpotError
from plumbline_simulators.hubspot.state import HubSpotState, RowFault

Json = dict[str, Any]
LIMITS = ("per_10_seconds", "per_day", "search_per_second", "retry_after", "used_today")
TEXTS = ("url", "public_url", "client_secret")
SECONDS = ("batch_seconds", "retry_seconds", "timeout_seconds", "held_seconds")


class ControlSettings:
    """Handlers of settings."""

    def __init__(self, state: HubSpotState) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/control/limits", self.limits, methods=["GET", "POST"]),
            Route("/control/tokens", self.tokens, methods=["POST"]),
            Route("/control/webhooks", self.webhooks, methods=["GET", "POST"]),
            Route("/control/row_faults", self.row_faults, methods=["POST", "DELETE"]),
            Route("/control/behaviour", self.behaviour, methods=["POST"]),
        ]

    async def limits(self, request: Request) -> Response:
        """Look at or set `per_10_seconds`, `per_day`, `search_per_second`, `retry_after`."""
        limits = self._state.limits
        if request.method == "POST":
            given = await read_json(request)
            for name, value in given.items():
                _known(name, LIMITS)
                if not (name == "retry_after" and value is None):
                    _number(name, value)
            for name, value in given.items():
                setattr(limits, name, value)
        return answer({name: getattr(limits, name) for name in LIMITS})

    async def tokens(self, request: Request) -> Response:
        """`add`, `add_refresh`, `revoke` (lists), `scopes_missing` (or path words),
        `lifetime_seconds` of tokens issued from now on, `expire` (true: those issued so far)."""
        data = await read_json(request)
        lists = ("add", "add_refresh", "revoke", "scopes_missing")
        for name, value in data.items():
            _known(name, (*lists, "lifetime_seconds", "expire"))
            if name in lists and not isinstance(value, list):
                raise ControlError(f"{name}: expected a list")
        tokens = self._state.tokens
        tokens.static |= set(data.get("add", []))
        tokens.refresh |= set(data.get("add_refresh", []))
        for token in data.get("revoke", []):
            tokens.revoke(token)
        if "scopes_missing" in data:
            tokens.scopes_missing = set(data["scopes_missing"])
        if "lifetime_seconds" in data:
            tokens.lifetime_seconds = _number("lifetime_seconds", data["lifetime_seconds"])
        if data.get("expire"):
            tokens.expire()
        return answer({"static": len(tokens.static), "refresh": len(tokens.refresh)})

    async def webhooks(self, request: Request) -> Response:
        """Look at deliveries; set what `WebhookSettings` holds, add `faults` of deliveries."""
        hooks = self._state.webhooks
        if request.method == "POST":
            data = await read_json(request)
            faults = data.pop("faults", [])
            values = {name: _setting(name, value) for name, value in data.items()}
            for fault in faults:
                hooks.faults.add_json({"channel": "delivery", **fault})
            for name, value in values.items():
                setattr(hooks.settings, name, value)
        body = {
            "delivered": hooks.delivered,
            "waiting": hooks.waiting,
            "given_up": hooks.given_up,
            "posts": list(hooks.posts)[-100:],
        }
        return answer(body)

    async def row_faults(self, request: Request) -> Response:
        """Make rows of batch writes fail: `ids`, `category`, `message`, `times`; with `whole` each
        has its whole batch refused (400)."""
        if request.method == "DELETE":
            self._state.row_faults.clear()
            return answer({"row_faults": 0})
        data = await read_json(request)
        for name in data:
            _known(name, ("ids", "category", "message", "times", "whole"))
        times = int(_number("times", data.get("times", 1)))
        fault = RowFault(
            str(data.get("category", "VALIDATION_ERROR")),
            str(data.get("message", "this row is refused")),
            {str(one): times for one in data.get("ids", [])},
            bool(data.get("whole", False)),
        )
        self._state.row_faults.append(fault)
        return answer({"row_faults": len(self._state.row_faults)}, 201)

    async def behaviour(self, request: Request) -> Response:
        """Set `shuffle_results`, `search_lag_seconds`, `validation_rules` ({type: {property:
        expression}}, which API writes must match from then on)."""
        data = await read_json(request)
        for name in data:
            _known(name, ("shuffle_results", "search_lag_seconds", "validation_rules"))
        if "shuffle_results" in data:
            self._state.shuffle_results = bool(data["shuffle_results"])
        if "search_lag_seconds" in data:
            lag = _number("search_lag_seconds", data["search_lag_seconds"])
            self._state.search_lag_seconds = lag
        for type_, rules in data.get("validation_rules", {}).items():
            try:
                catalog = self._state.of(type_).catalog
                catalog.rules = {name: re.compile(rule) for name, rule in rules.items()}
            except (HubSpotError, re.error) as error:
                raise ControlError(f"validation_rules.{type_}: {error}") from error
        return answer({"set": sorted(data)})


def _known(name: str, names: tuple[str, ...]) -> None:
    if name not in names:
        raise ControlError(f"{name}: unknown; known are {', '.join(names)}")


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise ControlError(f"{name}: expected a number from 0, found {value!r}")
    return value


def _setting(name: str, value: Any) -> Any:
    _known(name, (*TEXTS, *SECONDS, "subscriptions", "also_portals", "one_event_id"))
    if name == "subscriptions":
        return set(value)
    if name in SECONDS:
        return _number(name, value)
    if name == "url" and value is not None and urlsplit(str(value)).scheme != "http":
        raise ControlError(f"url: only http is spoken here, found {value!r}")
    return value
