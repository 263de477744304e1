"""Search: filters, one sort, pages of 200, a wall at 10,000, and an index that lags."""

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from plumbline_simulators.hubspot.answers import Api, json_answer, read_object, whole
from plumbline_simulators.hubspot.catalog import Catalog
from plumbline_simulators.hubspot.errors import HubSpotError
from plumbline_simulators.hubspot.values import epoch_ms
from plumbline_simulators.hubspot.views import names, show

Json = dict[str, Any]
PAGE_MAX: Final = 200
WALL: Final = 10_000
GROUPS_MAX: Final = 5
GROUP_FILTERS_MAX: Final = 6
FILTERS_MAX: Final = 18
Key = Callable[[str], Decimal | str]
"""A stored value as something that sorts."""
Test = Callable[[str | None, Json, Key], bool]
Filter = Callable[[Json], bool]


class Search(Api):
    """Handler of `/objects/{type}/search`."""

    async def handle(self, request: Request) -> Response:
        """Find live records, as the index has them."""
        data = await read_object(request)
        records = self.records(request)
        groups = _groups(data, records.catalog)
        order = _order(data.get("sorts") or [], records.catalog)
        limit = whole("limit", data.get("limit"), 10, 1, PAGE_MAX)
        after = whole("after", data.get("after"), 0, 0)
        if after + limit > WALL:
            message = f"Paging past {WALL} records is not supported by search"
            raise HubSpotError(400, "VALIDATION_ERROR", message)
        words = str(data.get("query") or "").lower()
        found = [
            row
            for row in records.indexed()
            if (not words or _mentions(row, words))
            and (not groups or any(all(one(row) for one in group) for group in groups))
        ]
        if order is not None:
            found = order(found)
        page = found[after : after + limit]
        properties = names(data.get("properties") or ())
        results = [show(row, records, properties) for row in page]
        body: Json = {"total": len(found), "results": results}
        if after + limit < len(found):
            body["paging"] = {"next": {"after": str(after + limit)}}
        return json_answer(body)


def _mentions(row: Json, words: str) -> bool:
    return any(words in (value or "").lower() for value in row["properties"].values())


def _groups(data: Json, catalog: Catalog) -> list[list[Filter]]:
    given = data.get("filterGroups") or []
    filters = [group.get("filters") or [] for group in given]
    if len(filters) > GROUPS_MAX or any(len(group) > GROUP_FILTERS_MAX for group in filters):
        message = f"At most {GROUPS_MAX} filter groups of {GROUP_FILTERS_MAX} filters are allowed"
        raise HubSpotError(400, "VALIDATION_ERROR", message)
    if sum(len(group) for group in filters) > FILTERS_MAX:
        message = f"At most {FILTERS_MAX} filters are allowed"
        raise HubSpotError(400, "VALIDATION_ERROR", message)
    return [[_filter(one, catalog) for one in group] for group in filters]


def _filter(one: Json, catalog: Catalog) -> Filter:
    name, operator = str(one.get("propertyName", "")), one.get("operator", "")
    test = _TESTS.get(operator)
    if test is None:
        message = f"operator {operator!r} is not one of {', '.join(_TESTS)}"
        raise HubSpotError(400, "VALIDATION_ERROR", message)
    key = _key(name, catalog)
    for field in _NEEDS.get(operator, ()):
        if one.get(field) in (None, ""):
            raise HubSpotError(400, "VALIDATION_ERROR", f"{operator} needs {field}")
    for given in (one.get("value"), one.get("highValue")):
        if given is not None:
            key(str(given))
    return lambda row: test(row["properties"].get(name), one, key)


def _key(name: str, catalog: Catalog) -> Key:
    defined = catalog.properties.get(name)
    if defined is None:
        message = f"There was a problem with the request: property {name!r} does not exist"
        raise HubSpotError(400, "VALIDATION_ERROR", message)
    if defined.type == "number":
        return _decimal
    return _instant if defined.type in {"date", "datetime"} else str.lower


def _decimal(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise HubSpotError(400, "VALIDATION_ERROR", f"{text!r} is not a number") from error
    if not number.is_finite():
        raise HubSpotError(400, "VALIDATION_ERROR", f"{text!r} is not a number")
    return number


def _instant(text: str) -> Decimal:
    """Filters give epoch milliseconds, or ISO; records hold ISO."""
    if text.lstrip("-").isdigit():
        return Decimal(text)
    try:
        return Decimal(epoch_ms(text))
    except ValueError as error:
        message = f"{text!r} is neither epoch milliseconds nor a date"
        raise HubSpotError(400, "VALIDATION_ERROR", message) from error


def _compare(value: str | None, other: object, key: Key) -> int | None:
    """-1, 0, 1, or None without a value."""
    if value is None:
        return None
    left, right = key(value), key(str(other))
    return (left > right) - (left < right)  # type: ignore[operator]  # one key, one type


def _ordered(accept: Callable[[int], bool]) -> Test:
    def test(value: str | None, one: Json, key: Key) -> bool:
        result = _compare(value, one["value"], key)
        return result is not None and accept(result)

    return test


def _in(value: str | None, one: Json, key: Key) -> bool:
    return value is not None and key(value) in {key(str(other)) for other in one["values"]}


def _token(value: str | None, one: Json, _key: Key) -> bool:
    """Whole words, of which punctuation makes several; `*` stands for any part of one."""
    if value is None:
        return False
    wanted = r"[^\s;]*".join(re.escape(part) for part in str(one["value"]).lower().split("*"))
    return re.search(rf"(?<![^\W_]){wanted}(?![^\W_])", value.lower()) is not None


def _between(value: str | None, one: Json, key: Key) -> bool:
    low, high = _compare(value, one["value"], key), _compare(value, one["highValue"], key)
    return low is not None and high is not None and low >= 0 >= high


_TESTS: Final[dict[str, Test]] = {
    "EQ": _ordered(lambda result: result == 0),
    "NEQ": lambda value, one, key: _compare(value, one["value"], key) != 0,
    "LT": _ordered(lambda result: result < 0),
    "LTE": _ordered(lambda result: result <= 0),
    "GT": _ordered(lambda result: result > 0),
    "GTE": _ordered(lambda result: result >= 0),
    "BETWEEN": _between,
    "IN": _in,
    "NOT_IN": lambda value, one, key: not _in(value, one, key),
    "HAS_PROPERTY": lambda value, _one, _key: value is not None,
    "NOT_HAS_PROPERTY": lambda value, _one, _key: value is None,
    "CONTAINS_TOKEN": _token,
    "NOT_CONTAINS_TOKEN": lambda value, one, key: not _token(value, one, key),
}
_VALUE: Final = ("value",)
_NEEDS: Final = {
    "EQ": _VALUE, "NEQ": _VALUE, "LT": _VALUE, "LTE": _VALUE, "GT": _VALUE, "GTE": _VALUE,
    "BETWEEN": ("value", "highValue"), "IN": ("values",), "NOT_IN": ("values",),
    "CONTAINS_TOKEN": _VALUE, "NOT_CONTAINS_TOKEN": _VALUE,
}  # fmt: skip


def _order(sorts: list[Json | str], catalog: Catalog) -> Callable[[list[Json]], list[Json]] | None:
    """Sorts rows; those without a value come last. The order of ids decides between equals."""
    if len(sorts) > 1:
        raise HubSpotError(400, "VALIDATION_ERROR", "Only one sort is allowed")
    if not sorts:
        return None
    first = sorts[0]
    name = first.removeprefix("-") if isinstance(first, str) else str(first.get("propertyName"))
    down = first.startswith("-") if isinstance(first, str) else first.get("direction") == DOWN
    key = _key(name, catalog)

    def ordered(rows: list[Json]) -> list[Json]:
        with_value = [row for row in rows if row["properties"].get(name) is not None]
        without = [row for row in rows if row["properties"].get(name) is None]
        with_value.sort(key=lambda row: key(row["properties"][name]), reverse=down)
        return with_value + without

    return ordered


DOWN: Final = "DESCENDING"
