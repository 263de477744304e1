"""Credits and charges for parts of a period."""

from plumbline_simulators.stripe.items import with_period
from plumbline_simulators.stripe.ledger import Ledger
from plumbline_simulators.stripe.lines import line_for
from plumbline_simulators.stripe.pricing import amount_of, prorated
from plumbline_simulators.stripe.store import Record


def proration_lines(
    ledger: Ledger, before: Record, after: Record, behavior: str
) -> tuple[list[Record], bool]:
    """Credits and charges for the rest of the period, and whether they are invoiced at once.

    A changed interval starts a new period now, which is always invoiced at once.
    """
    if before["status"] not in ("active", "past_due"):
        return [], False
    now, currency = ledger.now(), before["currency"]
    old = {item["id"]: item for item in before["items"]}
    new = {item["id"]: item for item in after["items"]}
    restarts = any(
        _interval(ledger, item) != _interval(ledger, old[name])
        for name, item in new.items()
        if name in old
    )
    if restarts:
        after["billing_cycle_anchor"] = now
        after["items"] = [with_period(ledger, item, now, now) for item in after["items"]]
    lines = []
    for name, item in old.items():
        if (
            restarts
            or name not in new
            or _cost(ledger, new[name], currency) != _cost(ledger, item, currency)
        ):
            lines.append(share(ledger, before, item, now, sign=-1))
    for item in after["items"]:
        if restarts:
            lines.append(line_for(ledger, after, item))
        elif item["id"] not in old or _cost(ledger, old[item["id"]], currency) != _cost(
            ledger, item, currency
        ):
            lines.append(share(ledger, after, item, now, sign=1))
    if behavior == "none":
        lines = [line for line in lines if restarts and line["amount"] > 0]
    return lines, restarts or behavior == "always_invoice"


def share(ledger: Ledger, subscription: Record, item: Record, now: int, *, sign: int) -> Record:
    """What an item costs for the rest of its period (sign +1), or the credit for it (-1)."""
    start, end = item["current_period_start"], item["current_period_end"]
    cost = _cost(ledger, item, subscription["currency"])
    amount = prorated(cost, max(end - now, 0), end - start)
    return line_for(
        ledger, subscription, item, amount=sign * amount, period=(now, end), proration=True
    )


def _cost(ledger: Ledger, item: Record, currency: str) -> int:
    return amount_of(ledger.get("price", item["price"]), item["quantity"] or 0, currency)


def _interval(ledger: Ledger, item: Record) -> tuple[str, int]:
    recurring = ledger.get("price", item["price"])["recurring"]
    return recurring["interval"], recurring["interval_count"]
