"""Stripe's API as far as Plumbline reads it: nothing but GET (design 9)."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal
from urllib.parse import quote

from plumbline_schemas.errors import Permanent, Retryable, Unauthorized, VendorError

from plumbline_connectors.http import (
    Answer,
    BearerToken,
    Params,
    VendorHttp,
    error_body,
    error_message,
    judge_generic,
)
from plumbline_connectors.results import Page, ReadResult, VendorAccount
from plumbline_connectors.stripe.completing import (
    complete,
    complete_charge,
    complete_item_coupons,
    complete_lines,
)
from plumbline_connectors.stripe.errands import ERRANDS
from plumbline_connectors.stripe.paths import PATHS, SENT_ON, Path, expansions
from plumbline_connectors.stripe.reading import Fields

API_VERSION: Final = "2026-10-28.endive"
"""The version our reads are rendered at; deliveries come at their endpoint's own (vendors 1.6)."""

_MAX_PAGE: Final = 100
_COMPLETED: Final = frozenset({"subscription", "coupon"})
"""Of a list: its other coupons are not read with their products."""
_MISSING: Final = frozenset({404})
_NOT_EXPANDED: Final = frozenset({400, 403})
_ID: Final = re.compile(r"[A-Za-z0-9_.:-]+")
_KEY_MODE: Final = re.compile(r"(?:sk|rk)_(live|test)_")
_NOT_OFFERED: Final = frozenset({400, 403, 404, 405, 501})
"""A restricted key without that permission, or a server that has no such path."""

Mode = Literal["live", "test"]


def open_stripe(
    *,
    api_base: str,
    api_key: str,
    where: str,
    api_version: str = API_VERSION,
    timeout_seconds: float = 15.0,
    max_connections: int = 8,
) -> "StripeClient":
    """A client of one connection, `where` in messages; close it with `aclose`."""
    http = VendorHttp(
        api_base,
        where=where,
        credentials=BearerToken(api_key),
        judge=judge_stripe,
        timeout_seconds=timeout_seconds,
        max_connections=max_connections,
    )
    return StripeClient(http, api_version=api_version, mode=mode_of_key(api_key))


def mode_of_key(api_key: str) -> Mode | None:
    """The mode that a key's prefix tells (vendors 1.10), None for another kind of key."""
    found = _KEY_MODE.match(api_key)
    if found is None:
        return None
    return "live" if found[1] == "live" else "test"


class StripeClient:
    """Reads of the kinds in `paths.READABLE`. Nothing is retried here.

    Every call raises Retryable (429, lock time-out, 5xx, no connection), Unauthorized (401, 403) or
    Permanent.
    """

    def __init__(
        self, http: VendorHttp, *, api_version: str = API_VERSION, mode: Mode | None = None
    ) -> None:
        """`http` should judge with `judge_stripe`; `mode` is what the key's prefix tells."""
        self._http = http
        self.api_version = api_version
        self._mode = mode
        self._spare = True

    async def account(self) -> VendorAccount:
        """Which account the key opens, and in which mode.

        A key that may not ask (403), or a server that can't tell (404), leaves the id open; then a
        small list proves the key, and its object the mode.
        """
        answer = await self._get("/v1/account", accept=_NOT_OFFERED)
        found = None if answer.status in _NOT_OFFERED else _object(answer).get("id")
        account_id = found if isinstance(found, str) and found else None
        if account_id is not None and self._mode is not None:
            return VendorAccount(account_id, self._mode)
        listed = await self._get("/v1/products", [("limit", "1")], accept=frozenset({404}))
        rows = [] if listed.status == 404 else _list(listed)[0]
        return VendorAccount(account_id, self._mode or (_mode_of(rows[0]) if rows else None))

    async def adopt(self, other: "StripeClient") -> bool:
        """Call with the other's key from now on; False when it is ours."""
        self._mode = other._mode  # noqa: SLF001 - of the same class
        return self._http.adopt(other._http)  # noqa: SLF001 - of the same class

    async def read(self, kind: str, vendor_id: str) -> ReadResult:
        """One object whole, with every item and line; a 404 is None.

        Of a kind that only leads to another (`paths.SENT_ON`) the other is read and given.
        """
        if kind in SENT_ON:
            return await self._read_holder(kind, vendor_id)
        path = f"{_path(kind).path}/{_in_path(vendor_id, kind, self._http.where)}"
        answer = await self._expanded(kind, path, (), accept=_MISSING)
        if answer.status == 404:
            return ReadResult(None, answer.vendor_began_at)
        obj = _object(answer)
        await complete(kind, obj, self._rows)
        if kind == "subscription":
            await complete_item_coupons(obj, self._item)
        elif kind == "invoice":
            await complete_lines(obj, self._rows)
        elif kind == "charge":
            await complete_charge(obj, self._rows_if_offered)
        return ReadResult(obj, answer.vendor_began_at)

    async def page(self, kind: str, *, starting_after: str | None, limit: int = 100) -> Page:
        """One page of a list, newest first; canceled subscriptions are in it, with every item.

        An optional list that the key may not read, or the server does not have, is empty and
        `refused` says so.
        """
        path = _path(kind)
        params = [("limit", str(min(limit, _MAX_PAGE)))]
        if starting_after is not None:
            params.append(("starting_after", starting_after))
        if kind == "subscription":
            params.append(("status", "all"))
        # Refused on a later page it is the cursor's fault.
        accept = _NOT_OFFERED if path.optional and starting_after is None else frozenset()
        answer = await self._expanded(kind, path.path, params, accept=accept, listed=True)
        if answer.status in accept:
            return Page([], None, answer.vendor_began_at, refused=error_message(answer))
        rows, more = _list(answer)
        for row in rows:
            if kind in _COMPLETED:
                await complete(kind, row, self._rows)
        return Page(rows, str(rows[-1]["id"]) if more and rows else None, answer.vendor_began_at)

    async def now(self) -> datetime:
        """Stripe's clock, to the second, from the `Date` of a small answer."""
        answer = await self._get("/v1/products", [("limit", "1")])
        if answer.date is None:
            raise Retryable("the answer has no Date", where=answer.where, status=answer.status)
        return answer.date

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _get(
        self, path: str, params: Params = (), *, accept: frozenset[int] = frozenset()
    ) -> Answer:
        headers = {"stripe-version": self.api_version}
        return await self._http.request("GET", path, params=params, headers=headers, accept=accept)

    async def _expanded(
        self,
        kind: str,
        path: str,
        params: Params,
        *,
        accept: frozenset[int],
        listed: bool = False,
    ) -> Answer:
        """GET with what the kind has expanded.

        A key without the permission for what is asked for as well (`Path.spare`), or a server
        that doesn't have it, refuses the whole call: it is asked for no more then.
        """
        if self._spare and PATHS[kind].spare:
            asked = [*params, *expansions(kind, listed=listed)]
            answer = await self._get(path, asked, accept=accept | _NOT_EXPANDED)
            if answer.status not in _NOT_EXPANDED:
                return answer
        plain = [*params, *expansions(kind, listed=listed, spare=False)]
        answer = await self._get(path, plain, accept=accept)
        self._spare = self._spare and not (PATHS[kind].spare and answer.status < 300)
        return answer

    async def _read_holder(self, kind: str, vendor_id: str) -> ReadResult:
        path = f"{SENT_ON[kind]}/{_in_path(vendor_id, kind, self._http.where)}"
        answer = await self._get(path, accept=_MISSING)
        named = Fields({}, kind) if answer.status == 404 else Fields(_object(answer), kind)
        holder = ERRANDS[kind].holder(named)
        if holder is None:
            return ReadResult(None, answer.vendor_began_at)
        return await self.read(*holder)

    async def _item(self, item_id: str, params: Params) -> dict[str, Any] | None:
        kind = "subscription_item"
        path = f"{SENT_ON[kind]}/{_in_path(item_id, kind, self._http.where)}"
        answer = await self._get(path, params, accept=_MISSING)
        return None if answer.status == 404 else _object(answer)

    async def _rows(self, path: str, params: Params) -> tuple[list[dict[str, Any]], bool]:
        return _list(await self._get(path, params))

    async def _rows_if_offered(
        self, path: str, params: Params
    ) -> tuple[list[dict[str, Any]], bool]:
        """None of a list that the key may not read, or the server doesn't have: more follow."""
        answer = await self._get(path, params, accept=_NOT_OFFERED)
        return ([], True) if answer.status in _NOT_OFFERED else _list(answer)


def _in_path(vendor_id: str, kind: str, where: str) -> str:
    """An id as a path has it. A coupon's is whatever its author typed; all the others are plain."""
    if not vendor_id.strip(".") or not (_ID.fullmatch(vendor_id) or kind == "coupon"):
        raise Permanent(f"no Stripe id: {vendor_id[:40]!r}", where=where)
    return quote(vendor_id, safe="")


def _mode_of(obj: Mapping[str, Any]) -> Mode | None:
    live = obj.get("livemode")
    if not isinstance(live, bool):
        return None
    return "live" if live else "test"


def judge_stripe(answer: Answer) -> VendorError:
    """Word an error of Stripe's (vendors 1.8): no `Retry-After`, and a lock is not a conflict."""
    error = error_body(answer).get("error")
    code = error.get("code") if isinstance(error, dict) else None
    message, where, status = error_message(answer), answer.where, answer.status
    if code == "lock_timeout" or status == 409:
        return Retryable(message, where=where, status=status)
    if status in {401, 403}:
        return Unauthorized(message, where=where, status=status)
    return judge_generic(answer)


def _path(kind: str) -> Path:
    try:
        return PATHS[kind]
    except KeyError:
        raise ValueError(f"no Stripe kind {kind!r}; known: {', '.join(PATHS)}") from None


def _object(answer: Answer) -> dict[str, Any]:
    decoded = answer.json()
    if not isinstance(decoded, dict):
        raise Retryable("the answer is no object", where=answer.where, status=answer.status)
    return decoded


def _list(answer: Answer) -> tuple[list[dict[str, Any]], bool]:
    """Rows and whether more follow; every row has an id, for the cursor is made of it."""
    decoded = _object(answer)
    rows = decoded.get("data")
    if not isinstance(rows, list) or not all(isinstance(r, dict) and r.get("id") for r in rows):
        raise Retryable("the answer is no list", where=answer.where, status=answer.status)
    return rows, decoded.get("has_more") is True
