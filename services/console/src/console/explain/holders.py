"""Customers, subscriptions and invoices in our words, each once."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

from plumbline_connectors.stripe.bodies import MetadataKeys, customer_body, subscription_body
from plumbline_connectors.stripe.invoices import invoice_body
from plumbline_connectors.stripe.reading import Fields, Untranslatable
from plumbline_schemas.billing import BillingCustomer, Invoice, Subscription
from plumbline_schemas.catalogue import Body

from console.explain.objects import Found, ItemPage, Raw
from console.explain.trouble import BadInput

BodyT = TypeVar("BodyT", bound=Body)
AnyT = TypeVar("AnyT")

_NO_KEYS: Final = MetadataKeys(crm_id="", company="")


class Holder(NamedTuple, Generic[BodyT]):
    """One object; `body` is None of a deleted customer."""

    id: str
    customer: str | None
    """Id of its customer, None when it names none; of a customer its own."""
    body: BodyT | None
    found: Found


def customers(found: Iterable[Found]) -> list[Holder[BillingCustomer]]:
    """Every customer once; raises BadInput."""
    return _chosen(found, "customer", _customer, _customers_differ)


def subscriptions(found: Iterable[Found], pages: Sequence[ItemPage]) -> list[Holder[Subscription]]:
    """Every subscription once, with items that were listed on their own; raises BadInput."""

    def read(one: Found) -> Holder[Subscription]:
        raw = with_listed_items(one.raw, pages)
        fields = Fields(raw, place(one))
        return _holder(one, said(lambda: subscription_body(fields), one))

    return _chosen(found, "subscription", read, _subscriptions_differ)


def invoices(found: Iterable[Found]) -> list[Holder[Invoice]]:
    """Every invoice once; raises BadInput."""

    def read(one: Found) -> Holder[Invoice]:
        return _holder(one, said(lambda: invoice_body(Fields(one.raw, place(one))), one))

    return _chosen(found, "invoice", read, _invoices_differ)


def place(one: Found) -> str:
    """Where an object stands, as the first part of its values' paths."""
    return one.where.rstrip(". ").removesuffix(":")


def said(translate: Callable[[], AnyT], one: Found) -> AnyT:
    """What the translator says; its refusal becomes ours, with the file in `where`."""
    try:
        return translate()
    except Untranslatable as error:
        why = str(error).removeprefix(f"{error.where}: ")
        below = error.where.removeprefix(place(one)).removeprefix(".")
        raise BadInput(error.reason, f"{one.where}{below}", why) from error
    except RecursionError as error:
        raise BadInput("too_deep", place(one), "nested too deep") from error


def with_listed_items(raw: Raw, pages: Sequence[ItemPage]) -> Raw:
    """The subscription with its items of other pages; whole once the last page is there."""
    own = raw.get("items")
    listed = [
        (item, page.last)
        for page in pages
        for item in page.items
        if item.get("subscription") == raw.get("id") and isinstance(item.get("id"), str)
    ]
    if not listed or not isinstance(own, Mapping) or not isinstance(own.get("data"), list):
        return raw
    by_id = {item.get("id"): item for item in own["data"] if isinstance(item, Mapping)}
    for item, _ in listed:
        by_id.setdefault(item["id"], item)
    whole = own.get("has_more") is not True or any(last for _, last in listed)
    return {**raw, "items": {**own, "data": list(by_id.values()), "has_more": not whole}}


def _customer(one: Found) -> Holder[BillingCustomer]:
    identity = one.id or ""
    if one.raw.get("deleted") is True:
        return Holder(identity, identity, None, one)
    fields = Fields(one.raw, place(one))
    return Holder(identity, identity, said(lambda: customer_body(fields, _NO_KEYS), one), one)


def _holder(one: Found, body: BodyT) -> Holder[BodyT]:
    fields = Fields(one.raw, place(one))
    return Holder(one.id or "", said(lambda: fields.ref("customer"), one), body, one)


def _chosen(
    found: Iterable[Found],
    kind: str,
    read: Callable[[Found], Holder[BodyT]],
    differ: Callable[[BodyT | None, BodyT | None], bool],
) -> list[Holder[BodyT]]:
    """Of several forms of one object: a file's before an embedded one, then the newest event's."""
    forms: dict[str, list[Found]] = defaultdict(list)
    for one in found:
        if one.kind == kind and one.id is not None:
            forms[one.id].append(one)
    return [_best([read(one) for one in _worth(same)], kind, differ) for same in forms.values()]


def _worth(same: Sequence[Found]) -> list[Found]:
    """Embedded forms are looked at only when no file holds the object itself."""
    return [one for one in same if not one.embedded] or list(same)


def _best(
    forms: Sequence[Holder[BodyT]],
    kind: str,
    differ: Callable[[BodyT | None, BodyT | None], bool],
) -> Holder[BodyT]:
    newest = max(form.found.told_at for form in forms)
    plain = [form for form in forms if not form.found.told_at]
    rivals = plain or [form for form in forms if form.found.told_at == newest]
    first = rivals[0]
    if not first.found.embedded:
        for other in rivals[1:]:
            if differ(first.body, other.body):
                where = f"{place(first.found)}; {place(other.found)}"
                raise BadInput("contradiction", where, f"two different forms of {kind} {first.id}")
    return max(rivals, key=lambda form: _said(form.found.raw))


def _said(value: object) -> int:
    """How much an object says: how many values in it are not null."""
    if isinstance(value, Mapping):
        return sum(_said(part) for part in value.values())
    if isinstance(value, list):
        return sum(_said(part) for part in value)
    return value is not None


def _subscriptions_differ(one: Subscription | None, other: Subscription | None) -> bool:
    """Whether two forms of one moment disagree on what the number hangs on."""
    if one is None or other is None:
        return one is not other
    if (one.status, one.currency, one.start_date, one.cancel_at_period_end) != (
        other.status,
        other.currency,
        other.start_date,
        other.cancel_at_period_end,
    ):
        return True
    quantities = {item.item_id: (item.price.price_id, item.quantity) for item in one.items}
    return any(
        quantities.get(item.item_id, (item.price.price_id, item.quantity))
        != (item.price.price_id, item.quantity)
        for item in other.items
    )


def _invoices_differ(one: Invoice | None, other: Invoice | None) -> bool:
    if one is None or other is None:
        return one is not other
    return (one.status, one.total, one.amount_paid) != (
        other.status,
        other.total,
        other.amount_paid,
    )


def _customers_differ(one: BillingCustomer | None, other: BillingCustomer | None) -> bool:
    """Only one of them deleted."""
    return (one is None) != (other is None)
