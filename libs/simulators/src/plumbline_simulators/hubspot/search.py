"""Search: filters, one sort, pages of 200, a wall at 10,000, and an index that lags."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from plumbline_simulators.hubspot.answers import Api, json_answer, read_object
from plumbline_simulators.hubspot.errors import HubSpotError
from plumbline_simulators.hubspot.views import show

Json = dict[str, Any]
PAGE_MAX: Final = 200
WALL: Final = 10_000
Test = Callable[[str | None, Json], bool]


class Search(Api):
    """Handler of `/objects/{type}/search`."""

    async def handle(self, request: Request) -> Response:
        """Find live records; those changed within the lag are seen as they are not yet."""
        data = await read_object(request)
        records = self.records(request)
        groups = data.get("filterGroups") or []
        if len(groups) > 5 or any(len(group.get("filters") or []) > 6 for group in groups):
            raise HubSpotError(400, "VALIDATION_ERROR", "Too many filter groups or filters")
        limit, after = int(data.get("limit") or 10), int(data.get("after") or 0)
        if not 1 <= limit <= PAGE_MAX:
            raise HubSpotError(400, "VALIDATION_ERROR", f"limit must be at most {PAGE_MAX}")
        if after + limit > WALL:
            message = "Paging past 10000 records is not supported by search"
            raise HubSpotError(400, "VALIDATION_ERROR", message)
        visible_until = self.state.clock.epoch_ms() - self.state.search_lag_seconds * 1000
        found = [
            row
            for row in records.all()
            if _ms(row["updatedAt"]) <= visible_until and _matches(row, groups, data.get("query"))
        ]
        found = _sorted(found, data.get("sorts") or [])
        page = found[after : after + limit]
        body: Json = {
            "total": len(found),
            "results": [show(row, records.type, data.get("properties") or ()) for row in page],
        }
        if after + limit < len(found):
            body["paging"] = {"next": {"after": str(after + limit)}}
        return json_answer(body)


def _matches(row: Json, groups: list[Json], query: str | None) -> bool:
    if query and not any(query.lower() in (v or "").lower() for v in row["properties"].values()):
        return False
    return not groups or any(
        all(_passes(row, one) for one in group.get("filters") or []) for group in groups
    )


def _passes(row: Json, one: Json) -> bool:
    test = _TESTS.get(one.get("operator", ""))
    if test is None:
        operator = one.get("operator")
        raise HubSpotError(400, "VALIDATION_ERROR", f"operator {operator!r} is not valid")
    return test(row["properties"].get(one.get("propertyName", "")), one)


def _compare(value: str | None, other: object) -> int | None:
    """-1, 0, 1, or None without a value; numbers and instants by value, else text."""
    if value is None:
        return None
    left, right = _comparable(value), _comparable(str(other))
    if type(left) is not type(right):
        left, right = value.lower(), str(other).lower()
    return (left > right) - (left < right)  # type: ignore[operator]  # same type by now


def _comparable(text: str) -> Decimal | str:
    if len(text) == 24 and text.endswith("Z"):
        return Decimal(_ms(text))
    try:
        return Decimal(text)
    except InvalidOperation:
        return text.lower()


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1000)


def _ordered(accept: Callable[[int], bool]) -> Test:
    def test(value: str | None, one: Json) -> bool:
        result = _compare(value, one.get("value"))
        return result is not None and accept(result)

    return test


def _in(value: str | None, one: Json) -> bool:
    return value is not None and value.lower() in {str(v).lower() for v in one.get("values") or ()}


def _token(value: str | None, one: Json) -> bool:
    wanted = str(one.get("value", "")).lower().strip("*")
    return value is not None and wanted in value.lower()


def _between(value: str | None, one: Json) -> bool:
    low, high = _compare(value, one.get("value")), _compare(value, one.get("highValue"))
    return low is not None and high is not None and low >= 0 >= high


_TESTS: Final[dict[str, Test]] = {
    "EQ": _ordered(lambda result: result == 0),
    "NEQ": lambda value, one: _compare(value, one.get("value")) != 0,
    "LT": _ordered(lambda result: result < 0),
    "LTE": _ordered(lambda result: result <= 0),
    "GT": _ordered(lambda result: result > 0),
    "GTE": _ordered(lambda result: result >= 0),
    "BETWEEN": _between,
    "IN": _in,
    "NOT_IN": lambda value, one: not _in(value, one),
    "HAS_PROPERTY": lambda value, _: value is not None,
    "NOT_HAS_PROPERTY": lambda value, _: value is None,
    "CONTAINS_TOKEN": _token,
    "NOT_CONTAINS_TOKEN": lambda value, one: not _token(value, one),
}


def _sorted(rows: list[Json], sorts: list[Json | str]) -> list[Json]:
    if len(sorts) > 1:
        raise HubSpotError(400, "VALIDATION_ERROR", "Only one sort is allowed")
    if not sorts:
        return rows
    first = sorts[0]
    name = first if isinstance(first, str) else str(first.get("propertyName"))
    down = not isinstance(first, str) and first.get("direction") == "DESCENDING"
    with_value = [row for row in rows if row["properties"].get(name) is not None]
    without = [row for row in rows if row["properties"].get(name) is None]
    with_value.sort(key=lambda row: _sort_key(row["properties"][name]), reverse=down)
    return with_value + without


def _sort_key(value: str) -> tuple[int, Decimal, str]:
    comparable = _comparable(value)
    if isinstance(comparable, Decimal):
        return (0, comparable, "")
    return (1, Decimal(0), comparable)
