"""Many small changes of subscriptions at a given rate, for load, and what must come of them."""

import asyncio
import time
from typing import Any, Literal

from plumbline_simulators.control import ControlError
from plumbline_simulators.stripe.eventlog import Cause
from plumbline_simulators.stripe.ledger import Ledger
from plumbline_simulators.stripe.pauses import UPDATED
from plumbline_simulators.stripe.store import Query, Record

Field = Literal["quantity", "metadata"]
MAX_SUBSCRIPTIONS = 100_000


async def touch(ledger: Ledger, data: dict[str, Any]) -> dict[str, Any]:
    """`changes` changes (default: one each) over the `subscriptions` newest living ones, in
    turn, `per_second` of them a second (null: as fast as it goes), of `field`.

    Answers the final truth of each subscription touched, and with `log: true` every change
    with its event id and the real time it was made.
    """
    number = _positive(data, "subscriptions", 1)
    changes = _positive(data, "changes", number)
    field = data.get("field", "quantity")
    if field not in ("quantity", "metadata"):
        raise ControlError(f"field: expected quantity or metadata, found {field!r}")
    rate = data.get("per_second")
    names = _chosen(ledger, number)
    if not names:
        raise ControlError("subscriptions: there is none to touch")
    log: list[dict[str, Any]] = []
    began = time.monotonic()
    for index in range(changes):
        if rate:
            ahead = began + index / rate - time.monotonic()
            await asyncio.sleep(max(ahead, 0))
        elif index % 20 == 0:
            await asyncio.sleep(0)
        name = names[index % len(names)]
        entry = _change(ledger, name, field, index)
        if data.get("log") and entry is not None:
            log.append(entry)
    seconds = time.monotonic() - began
    truth = {name: _truth(ledger, name) for name in names[:changes]}
    return {"changed": changes, "seconds": round(seconds, 3), "truth": truth, "log": log}


def _change(ledger: Ledger, name: str, field: Field, index: int) -> dict[str, Any] | None:
    """One change; None when the subscription has ended in the meantime."""
    with ledger.caused_by(Cause(ledger.ids.next("req"), None)):
        before = ledger.store.get(name, "subscription")
        if before is None or before["status"] in ("canceled", "incomplete_expired"):
            return None
        after = dict(before)
        if field == "quantity":
            first, *others = before["items"]
            quantity = (first["quantity"] or 0) % 50 + 1
            after["items"] = [{**first, "quantity": quantity}, *others]
        else:
            after["metadata"] = {**before["metadata"], "touched": str(index)}
        at = time.time()
        ledger.update(before, after, UPDATED)
    return {
        "subscription": name,
        "customer": after["customer"],
        "quantity": after["items"][0]["quantity"],
        "event": ledger.events.latest_of(name),
        "at": at,
    }


def _truth(ledger: Ledger, name: str) -> Record:
    record = ledger.get("subscription", name)
    items = []
    for item in record["items"]:
        price = ledger.renderer.price(item["price"])
        items.append(
            {
                "price": item["price"],
                "quantity": item["quantity"],
                "unit_amount": price["unit_amount"],
                "currency": price["currency"],
                "recurring": price["recurring"],
            }
        )
    return {
        "customer": record["customer"],
        "status": record["status"],
        "items": items,
        "metadata": record["metadata"],
    }


def _chosen(ledger: Ledger, number: int) -> list[str]:
    condition = ("status NOT IN ('canceled', 'incomplete_expired')",)
    page = ledger.store.page(Query("subscription", number, condition))
    return [record["id"] for record in page.records]


def _positive(data: dict[str, Any], name: str, default: int) -> int:
    value = data.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not value >= 1:
        raise ControlError(f"{name}: expected a whole number from 1, found {value!r}")
    return min(value, MAX_SUBSCRIPTIONS) if name == "subscriptions" else value
