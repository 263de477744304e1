"""List calls: paging, `created` ranges and the filters of each resource."""

from typing import Any

from plumbline_simulators.stripe import params as read
from plumbline_simulators.stripe.errors import StripeError, invalid, missing
from plumbline_simulators.stripe.ledger import Ledger
from plumbline_simulators.stripe.params import Params
from plumbline_simulators.stripe.render import list_of
from plumbline_simulators.stripe.store import Query, Record

_OPERATORS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_ENDED = ("canceled", "incomplete_expired")
_STATUSES = (
    "active",
    "canceled",
    "incomplete",
    "incomplete_expired",
    "past_due",
    "paused",
    "trialing",
    "unpaid",
)

# parameter -> SQL condition on the objects table
_FILTERS: dict[str, dict[str, str]] = {
    "customer": {"email": "json_extract(data, '$.email') = ?"},
    "product": {"url": "json_extract(data, '$.url') = ?"},
    "price": {
        "product": "json_extract(data, '$.product') = ?",
        "currency": "json_extract(data, '$.currency') = ?",
        "type": "json_extract(data, '$.type') = ?",
    },
    "coupon": {},
    "subscription": {
        "customer": "customer = ?",
        "collection_method": "json_extract(data, '$.collection_method') = ?",
        "price": "EXISTS (SELECT 1 FROM json_each(data, '$.items')"
        " WHERE json_extract(value, '$.price') = ?)",
    },
    "invoice": {
        "customer": "customer = ?",
        "subscription": "parent = ?",
        "status": "status = ?",
        "collection_method": "json_extract(data, '$.collection_method') = ?",
    },
    "invoice_payment": {"invoice": "parent = ?", "status": "status = ?"},
    "payment_intent": {"customer": "customer = ?"},
    "promotion_code": {
        "customer": "customer = ?",
        "code": "json_extract(data, '$.code') = ? COLLATE NOCASE",
        "coupon": "json_extract(data, '$.promotion.coupon') = ?",
    },
    "tax_rate": {},
    "charge": {
        "customer": "customer = ?",
        "payment_intent": "json_extract(data, '$.payment_intent') = ?",
    },
    "refund": {
        "charge": "parent = ?",
        "payment_intent": "json_extract(data, '$.payment_intent') = ?",
    },
    "credit_note": {"customer": "customer = ?", "invoice": "parent = ?"},
    "dispute": {
        "charge": "parent = ?",
        "payment_intent": "json_extract(data, '$.payment_intent') = ?",
    },
    "payment_method": {
        "customer": "customer = ?",
        "type": "json_extract(data, '$.type') = ?",
    },
    "subscription_schedule": {"customer": "customer = ?"},
    "webhook_endpoint": {},
}


def list_objects(ledger: Ledger, kind: str, params: Params, url: str, version: str) -> Record:
    conditions, values = _created(params)
    for name, condition in _FILTERS[kind].items():
        if (value := read.text(params, name)) is not None:
            conditions.append(condition)
            values.append(value)
    for name in ("active", "inclusive"):
        if name in params and (wanted := read.boolean(params, name)) is not None:
            conditions.append(f"json_extract(data, '$.{name}') = ?")
            values.append(int(wanted))
    if kind == "price" and (keys := read.sequence(params, "lookup_keys")):
        conditions.append(f"json_extract(data, '$.lookup_key') IN ({_marks(keys)})")
        values += keys
    if kind == "product" and (ids := read.sequence(params, "ids")):
        conditions.append(f"id IN ({_marks(ids)})")
        values += ids
    if kind == "subscription":
        _status(params, conditions, values)
    if kind == "invoice_payment":
        _payment(params, conditions, values)
    limit, after, before = paging(params)
    query = Query(kind, limit, tuple(conditions), tuple(values), after, before)
    try:
        page = ledger.store.page(query)
    except KeyError as error:
        param = "starting_after" if after else "ending_before"
        raise missing(kind, str(error.args[0]), param, 400) from error
    rows = [ledger.renderer.render(record, version) for record in page.records]
    return list_of(rows, url, has_more=page.has_more)


def list_events(ledger: Ledger, params: Params, url: str) -> Record:
    conditions, values = _created(params)
    if "type" in params and "types" in params:
        raise invalid("types", "You may only specify one of type, types.")
    types = read.sequence(params, "types") or read.sequence(params, "type")
    if len(types) > 20:
        raise invalid("types", "You may specify at most 20 types.")
    if types:
        conditions.append("(" + " OR ".join("type GLOB ?" for _ in types) + ")")
        values += types
    delivered = read.boolean(params, "delivery_success")
    if delivered is not None:
        open_somewhere = (
            "EXISTS (SELECT 1 FROM deliveries WHERE event_id = events.id AND state != 'delivered')"
        )
        conditions.append(f"NOT {open_somewhere}" if delivered else open_somewhere)
    limit, after, before = paging(params)
    try:
        rows, has_more = ledger.events.page(
            conditions=conditions,
            values=values,
            now=ledger.now(),
            limit=limit,
            starting_after=after,
            ending_before=before,
        )
    except KeyError as error:
        param = "starting_after" if after else "ending_before"
        raise missing("event", str(error.args[0]), param, 400) from error
    return list_of(rows, url, has_more=has_more)


def list_rows(rows: list[Record], params: Params, url: str) -> Record:
    """A page of rows held in an object: a subscription's items, an invoice's lines."""
    limit, after, before = paging(params)
    names = [row["id"] for row in rows]
    cursor = after or before
    if cursor is not None and cursor not in names:
        raise missing("object", cursor, "starting_after" if after else "ending_before", 400)
    if before is not None:
        older = rows[: names.index(before)]
        return list_of(older[-limit:], url, has_more=len(older) > limit)
    rest = rows[names.index(after) + 1 :] if after else rows
    return list_of(rest[:limit], url, has_more=len(rest) > limit)


def paging(params: Params) -> tuple[int, str | None, str | None]:
    limit = read.integer(params, "limit")
    if limit is not None and not 1 <= limit <= 100:
        code = "parameter_invalid_integer"
        raise invalid("limit", "Invalid limit: must be between 1 and 100.", code)
    after, before = read.text(params, "starting_after"), read.text(params, "ending_before")
    if after and before:
        raise StripeError(400, "You may only specify one of starting_after, ending_before.")
    return limit or 10, after, before


def _created(params: Params) -> tuple[list[str], list[Any]]:
    given = params.get("created")
    if isinstance(given, str) and given:
        return ["created = ?"], [read.integer(params, "created")]
    conditions, values = [], []
    for name in read.mapping(params, "created"):
        if name not in _OPERATORS:
            raise invalid(f"created[{name}]", f"Invalid operator: {name}")
        conditions.append(f"created {_OPERATORS[name]} ?")
        values.append(read.integer(given or {}, name))
    return conditions, values


def _payment(params: Params, conditions: list[str], values: list[Any]) -> None:
    """`payment[type]` with the id under that very name."""
    given = read.mapping(params, "payment")
    if not given:
        return
    name = str(given.get("type"))
    if name not in {"payment_intent", "charge", "payment_record"} or not given.get(name):
        raise invalid("payment", "payment[type] and the id under its name are required together.")
    conditions.append(f"json_extract(data, '$.payment.{name}') = ?")
    values.append(str(given[name]))


def _status(params: Params, conditions: list[str], values: list[Any]) -> None:
    status = read.choice(params, "status", (*_STATUSES, "all", "ended"))
    if status is None:
        conditions.append("status != 'canceled'")
    elif status == "ended":
        conditions.append(f"status IN ({_marks(_ENDED)})")
        values += _ENDED
    elif status != "all":
        conditions.append("status = ?")
        values.append(status)


def _marks(values: Any) -> str:
    return ", ".join("?" for _ in values)
