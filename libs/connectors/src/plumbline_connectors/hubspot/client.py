"""HubSpot's API as far as Plumbline uses it: companies, contacts, properties, owners."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from plumbline_schemas.errors import Permanent

from plumbline_connectors.http import (
    Answer,
    BearerToken,
    Credentials,
    Hear,
    NoCredentials,
    VendorHttp,
    error_body,
    error_message,
)
from plumbline_connectors.hubspot.answers import next_after, object_of, results_of
from plumbline_connectors.hubspot.deployment import deploy_properties, listed
from plumbline_connectors.hubspot.faults import category, daily_quota, judge_hubspot, judge_token
from plumbline_connectors.hubspot.layouts import PATHS, Layout, object_type
from plumbline_connectors.hubspot.oauth import OAuthGrant, OAuthTokens, TokenShelf
from plumbline_connectors.hubspot.outcomes import (
    BatchRefused,
    RowOutcome,
    UpdateRow,
    merged_ids,
    row_outcomes,
)
from plumbline_connectors.hubspot.properties import (
    PropertyProblem,
    PropertySpec,
)
from plumbline_connectors.results import Page, ReadResult, VendorAccount

__all__ = [
    "BatchRead",
    "BatchRefused",
    "HubSpotClient",
    "OAuthGrant",
    "PropertyProblem",
    "PropertySpec",
    "RowOutcome",
    "UpdateRow",
    "open_hubspot",
]

MAX_BATCH: Final = 100
_TOKEN_SECONDS: Final = 5.0
"""A refresh holds others up: it may take twice this at most."""
_MAX_OWNERS: Final = 500
_REFUSED_WHOLE: Final = frozenset({400, 409, 413})
_NOT_FOUND: Final = frozenset({404})
_NOT_OFFERED: Final = frozenset({400, 403, 404, 405, 501})
"""A token without that permission, or a server that has no such path."""
_ID: Final = re.compile(r"[\w-]+")


class BatchRead(NamedTuple):
    """Answer of a batch read."""

    found: dict[str, dict[str, Any]]
    """Requested id -> record; the record of a merged id has another id."""
    missing: tuple[str, ...]
    """Requested ids without a record. Not yet known to be deleted: confirm each with `read`."""
    began_at: datetime


def open_hubspot(
    *,
    api_base: str,
    layout: Layout,
    where: str,
    access_token: str | None = None,
    oauth: OAuthGrant | None = None,
    shelf: TokenShelf | None = None,
    told: Callable[[int, int], None] | None = None,
    timeout_seconds: float = 15.0,
    max_connections: int = 8,
) -> "HubSpotClient":
    """A client of one connection, `where` in messages; close it with `aclose`.

    `shelf` keeps what `oauth` yields, in memory when None; `told` hears of the daily quota: calls
    a day, and those left.
    Raises ValueError unless exactly one of `access_token` and `oauth` is given.
    """
    if (access_token is None) is (oauth is None):
        raise ValueError(f"{where}: give either access_token or oauth")
    credentials: Credentials
    tokens: OAuthTokens | None = None
    if access_token is not None:
        credentials = BearerToken(access_token)
    else:
        assert oauth is not None
        asking = VendorHttp(
            api_base,
            where=where,
            credentials=NoCredentials(),
            judge=judge_token,
            timeout_seconds=min(timeout_seconds, _TOKEN_SECONDS),
            max_connections=1,
        )
        credentials = tokens = OAuthTokens(asking, PATHS[layout].token, oauth, shelf)
    http = VendorHttp(
        api_base,
        where=where,
        credentials=credentials,
        judge=judge_hubspot,
        hear=_hearing(told),
        timeout_seconds=timeout_seconds,
        max_connections=max_connections,
    )
    return HubSpotClient(http, layout, tokens=tokens)


def _hearing(told: Callable[[int, int], None] | None) -> Hear | None:
    if told is None:
        return None

    def hear(headers: Mapping[str, str]) -> None:
        quota = daily_quota(headers)
        if quota is not None:
            told(*quota)

    return hear


class HubSpotClient:
    """One connection's HubSpot. Nothing is retried here, and no rate is kept: callers do both.

    Every call raises Retryable (no answer, 423, 429, 477, 5xx), Unauthorized (401, 403),
    MissingScopes of these, Conflict or Permanent, unless it says otherwise.
    """

    def __init__(
        self, http: VendorHttp, layout: Layout = "v3", *, tokens: OAuthTokens | None = None
    ) -> None:
        """`http` should judge with `judge_hubspot`; `tokens` are closed with it."""
        self._http = http
        self._paths = PATHS[layout]
        self._tokens = tokens
        self._put_away: list[OAuthTokens] = []

    async def account(self) -> VendorAccount:
        """Which portal the credentials open; HubSpot has no modes.

        Where the vendor does not tell (403, 404), a small list proves the credentials.
        """
        answer = await self._http.request("GET", self._paths.account, accept=_NOT_OFFERED)
        told = {} if answer.status in _NOT_OFFERED else object_of(answer)
        portal, zone = told.get("portalId"), told.get("timeZone")
        if isinstance(portal, int | str) and str(portal):
            return VendorAccount(str(portal), None, zone if isinstance(zone, str) else None)
        path, params = self.objects("company"), [("limit", "1")]
        await self._http.request("GET", path, params=params, accept=_NOT_FOUND)
        return VendorAccount(None, None)

    async def adopt(self, other: "HubSpotClient") -> bool:
        """Call with the other's credentials from now on; False when they are ours."""
        if not self._http.adopt(other._http):  # noqa: SLF001 - of the same class
            return False
        if self._tokens is not None:  # a call in the air may still use it
            self._put_away.append(self._tokens)
        self._tokens, other._tokens = other._tokens, None  # noqa: SLF001 - as above
        return True

    async def page(
        self, kind: str, *, after: str | None, properties: Sequence[str], limit: int = 100
    ) -> Page:
        """One page of all records that aren't archived, in the vendor's own order."""
        params = [("limit", str(min(limit, MAX_BATCH))), ("archived", "false")]
        if after is not None:
            params.append(("after", after))
        params += [("properties", name) for name in properties]
        answer = await self._http.request("GET", self.objects(kind), params=params)
        body = object_of(answer)
        return Page(results_of(body, answer), next_after(body), answer.vendor_began_at)

    async def read(self, kind: str, vendor_id: str, properties: Sequence[str]) -> ReadResult:
        """One record; None when there is none or it is archived (404).

        The record of a merged id has another id.
        """
        if not _ID.fullmatch(vendor_id):
            raise Permanent(f"no HubSpot id: {vendor_id[:40]!r}", where=self._http.where)
        params = [("archived", "false"), *(("properties", name) for name in properties)]
        path = f"{self.objects(kind)}/{vendor_id}"
        answer = await self._http.request("GET", path, params=params, accept=_NOT_FOUND)
        found = None if answer.status == 404 else object_of(answer)
        return ReadResult(found, answer.vendor_began_at)

    async def batch_read(
        self, kind: str, ids: Sequence[str], properties: Sequence[str]
    ) -> BatchRead:
        """Up to 100 records by id; ask for `hs_merged_object_ids` to have merged ones found.

        Raises:
            BatchRefused: the batch as a whole (400).
        """
        asked = list(dict.fromkeys(ids))
        _check_size(len(asked))
        sent = {"properties": list(properties), "inputs": [{"id": one} for one in asked]}
        answer = await self.post(f"{self.objects(kind)}/batch/read", sent)
        records = results_of(object_of(answer), answer)
        by_id = {str(record["id"]): record for record in records}
        merged = {old: record for record in records for old in merged_ids(record)}
        held = {one: by_id.get(one) or merged.get(one) for one in asked}
        found = {one: record for one, record in held.items() if record is not None}
        missing = tuple(one for one in asked if one not in found)
        return BatchRead(found, missing, answer.vendor_began_at)

    async def batch_update(self, kind: str, rows: Sequence[UpdateRow]) -> list[RowOutcome]:
        """Write up to 100 records by id; one outcome per row, in the rows' order.

        Raises:
            BatchRefused: the batch as a whole (400, 409, 413): nothing was written.
        """
        _check_size(len(rows))
        inputs = [
            {
                "id": row.id,
                "properties": dict(row.properties),
                "objectWriteTraceId": row.trace_id,
            }
            for row in rows
        ]
        answer = await self.post(f"{self.objects(kind)}/batch/update", {"inputs": inputs})
        return row_outcomes(rows, object_of(answer))

    async def ensure_properties(
        self, kind: str, specs: Sequence[PropertySpec]
    ) -> list[PropertyProblem]:
        """See `deployment.deploy_properties`."""
        path = f"{self._paths.properties}/{object_type(kind)}"
        return await deploy_properties(self._http, path, specs)

    async def property_names(self, kind: str) -> frozenset[str]:
        """Names of the properties that records of this kind have."""
        return frozenset(await listed(self._http, f"{self._paths.properties}/{object_type(kind)}"))

    async def owners(self) -> list[dict[str, Any]]:
        """Every owner that isn't archived."""
        found: list[dict[str, Any]] = []
        after: str | None = None
        while True:
            params = [("limit", str(_MAX_OWNERS)), ("archived", "false")]
            if after is not None:
                params.append(("after", after))
            answer = await self._http.request("GET", self._paths.owners, params=params)
            body = object_of(answer)
            found += results_of(body, answer)
            after = next_after(body)
            if after is None:
                return found

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()
        for tokens in [*self._put_away, self._tokens]:
            if tokens is not None:
                await tokens.aclose()

    def objects(self, kind: str) -> str:
        """Where records of a kind stand."""
        return f"{self._paths.objects}/{object_type(kind)}"

    async def post(self, path: str, body: Mapping[str, Any]) -> Answer:
        """Raises BatchRefused for what is refused as a whole (400, 409, 413)."""
        answer = await self._http.request("POST", path, json=body, accept=_REFUSED_WHOLE)
        if answer.status in _REFUSED_WHOLE:
            raise BatchRefused(
                error_message(answer),
                where=answer.where,
                status=answer.status,
                category=category(error_body(answer)),
            )
        return answer


def _check_size(rows: int) -> None:
    if not 1 <= rows <= MAX_BATCH:
        raise ValueError(f"a HubSpot batch has 1 to {MAX_BATCH} rows, not {rows}")
