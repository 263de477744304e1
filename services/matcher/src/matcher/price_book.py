"""The catalogue of a connection as the rules of MRR take it, over the objects in memory.

Prices and coupons are completed with what was told of them before: vendors list tiers, currency
options and the products of a coupon only when asked, so a plain event does not take them away.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar

from plumbline_domain.book import PriceBook
from plumbline_schemas.catalogue import Body, Coupon, Discount, Price, Product, TaxRate
from plumbline_schemas.ids import ExternalKey

from matcher.needs import COUPON_TOLD, DISCOUNT, PRICE_TOLD
from matcher.rows import ObjectRow
from matcher.snapshot import Snapshot
from matcher.stored import body_of

BodyT = TypeVar("BodyT", bound=Body)

COMPLETED: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "price": (PRICE_TOLD, ("tiers", "currency_options")),
    "coupon": (COUPON_TOLD, ("applies_to", "currency_options")),
}
"""Kinds of which the vendor tells something only when asked: kind it is kept as, and what."""


class _Listed(Mapping[str, BodyT]):
    """Objects of one kind by vendor id, looked up in the snapshot when asked for."""

    def __init__(self, snapshot: Snapshot, place: str, kind: str, model: type[BodyT]) -> None:
        self._objects = snapshot.objects
        self._start = f"{place}/{kind}/"
        told = COMPLETED.get(kind)
        self._told = None if told is None else f"{place}/{told[0]}/"
        self._names = () if told is None else told[1]
        self._model = model

    def __getitem__(self, vendor_id: str) -> BodyT:
        body = self._find(vendor_id)
        if body is None:
            raise KeyError(vendor_id)
        return body

    def get(self, vendor_id: str, default: Any = None) -> Any:
        return self._find(vendor_id) or default

    def _find(self, vendor_id: str) -> BodyT | None:
        body = self._body(self._start + vendor_id)
        if self._told is None or (body is not None and self._is_whole(body)):
            return body
        told = self._body(self._told + vendor_id)
        return told if body is None else completed(body, told, self._names)

    def _body(self, key: str) -> BodyT | None:
        row: ObjectRow | None = self._objects.get(ExternalKey(key))
        return None if row is None else body_of(row, self._model)

    def _is_whole(self, body: BodyT) -> bool:
        return all(getattr(body, name) is not None for name in self._names)

    def __iter__(self) -> Iterator[str]:
        length = len(self._start)
        return (key[length:] for key in self._objects if key.startswith(self._start))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def completed(body: BodyT, told: BodyT | None, names: tuple[str, ...]) -> BodyT:
    """`body`, with those of the named fields that it leaves open and `told` says."""
    if told is None:
        return body
    more = {
        name: getattr(told, name)
        for name in names
        if getattr(body, name) is None and getattr(told, name) is not None
    }
    return body.model_copy(update=more) if more else body


def price_book(snapshot: Snapshot, connection: str) -> PriceBook:
    """What is known of a connection's catalogue, as far as the snapshot has loaded it."""
    known = snapshot.price_books.get(connection)
    if known is None:
        place = f"{snapshot.workspace.workspace}/{connection}"
        known = snapshot.price_books[connection] = PriceBook(
            prices=_Listed(snapshot, place, "price", Price),
            products=_Listed(snapshot, place, "product", Product),
            coupons=_Listed(snapshot, place, "coupon", Coupon),
            discounts=_Listed(snapshot, place, DISCOUNT, Discount),
            tax_rates=_Listed(snapshot, place, "tax_rate", TaxRate),
        )
    return known
