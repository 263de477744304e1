"""Discounts: a coupon at a customer, a subscription or an item, until its time is over."""

from dataclasses import dataclass
from datetime import UTC, datetime

from plumbline_simulators.stripe import params as read
from plumbline_simulators.stripe.coupons import redeemed
from plumbline_simulators.stripe.errors import missing
from plumbline_simulators.stripe.ledger import Ledger
from plumbline_simulators.stripe.params import Params
from plumbline_simulators.stripe.periods import add_months
from plumbline_simulators.stripe.store import Record

END_JOB = "end"


@dataclass(frozen=True)
class Holder:
    """Who has the discount: an item, else a subscription, else the customer itself."""

    customer: str
    subscription: str | None = None
    item: str | None = None
    currency: str | None = None


def new_discounts(ledger: Ledger, holder: Holder, given: list[Params]) -> list[str]:
    """Ids for `discounts[i]`: of a `coupon`, of a `promotion_code`, or a kept `discount`."""
    names: list[str] = []
    for entry in given:
        kept = read.text(entry, "discount")
        if kept is not None:
            names.append(ledger.get("discount", kept, param="discounts", status=400)["id"])
        else:
            names.append(_new(ledger, holder, entry)["id"])
    return names


def replaced_discounts(
    ledger: Ledger, holder: Holder, before: list[str], given: list[Params]
) -> list[str]:
    """The discounts after an update call; those not named in it are over."""
    after = new_discounts(ledger, holder, given)
    for name in before:
        if name not in after:
            _over(ledger, ledger.get("discount", name))
    return after


def give_to_customer(ledger: Ledger, customer_id: str, given: Params) -> Record:
    """The customer's one discount; an earlier one is over."""
    before = ledger.get("customer", customer_id)
    if before.get("deleted"):
        raise missing("customer", customer_id)
    held = [before["discount"]] if before.get("discount") else []
    (name,) = replaced_discounts(ledger, Holder(customer_id), held, [given])
    return ledger.update(before, {**before, "discount": name}, "customer.updated")


def delete_discount(ledger: Ledger, holder_id: str) -> Record:
    """The newest discount of a customer or subscription, taken away; raises Stripe's 404."""
    holder = ledger.store.get(holder_id) or {}
    held = holder.get("discounts") or [holder.get("discount")]
    discount = ledger.store.get(held[-1], "discount") if held[-1] else None
    if discount is None:
        raise missing("discount", holder_id)
    detach(ledger, discount)
    return {"id": discount["id"], "object": "discount", "deleted": True}


def detach(ledger: Ledger, discount: Record) -> None:
    """It is over: its holder has it no more, which both their events say."""
    name, subscription = discount["id"], discount["_subscription"]
    _over(ledger, discount)
    holder_id = subscription or discount["customer"]
    before = ledger.store.get(holder_id)
    if before is None or before.get("deleted"):
        return
    if subscription is None:
        ledger.update(before, {**before, "discount": None}, "customer.updated")
        return
    after = {**before, "discounts": _without(before, name)}
    after["items"] = [
        {**item, "discounts": _without(item, name)} if name in item.get("discounts", ()) else item
        for item in before["items"]
    ]
    ledger.update(before, after, "customer.subscription.updated")


def live_discounts(ledger: Ledger, subscription: Record) -> list[Record]:
    """What reduces an invoice now: the items' own, then the subscription's, else the customer's."""
    names = [name for item in subscription["items"] for name in item.get("discounts", ())]
    own = subscription.get("discounts", [])
    if not own:
        customer = ledger.store.get(subscription["customer"], "customer") or {}
        own = [customer["discount"]] if customer.get("discount") else []
    now = ledger.now()
    found = [ledger.store.get(name, "discount") for name in (*names, *own)]
    return [one for one in found if one is not None and (one.get("end") or now + 1) > now]


def _new(ledger: Ledger, holder: Holder, entry: Params) -> Record:
    coupon, code = redeemed(ledger, entry, holder.currency)
    now, months = ledger.now(), coupon.get("duration_in_months")
    end = int(add_months(datetime.fromtimestamp(now, UTC), months).timestamp()) if months else None
    record: Record = {
        "object": "discount",
        "id": ledger.ids.next("di"),
        "customer": holder.customer,
        "subscription": None if holder.item else holder.subscription,
        "subscription_item": holder.item,
        "promotion_code": code,
        "start": now,
        "end": end,
        "source": {"type": "coupon", "coupon": coupon["id"]},
        "_subscription": holder.subscription,
        "_once": coupon["duration"] == "once",
    }
    if end is not None:
        ledger.store.plan_job(record["id"], END_JOB, end)
    return ledger.create(record, "customer.discount.created")


def _over(ledger: Ledger, discount: Record) -> None:
    ledger.store.drop_jobs(discount["id"])
    ended = {**discount, "end": min(discount.get("end") or ledger.now(), ledger.now())}
    ledger.update(discount, ended, "customer.discount.deleted")


def _without(holder: Record, name: str) -> list[str]:
    return [one for one in holder.get("discounts", ()) if one != name]
