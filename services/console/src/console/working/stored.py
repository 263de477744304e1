"""What the matcher keeps of an account's billing objects, and of the catalogue they name."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

import asyncpg
import orjson
from plumbline_domain.book import PriceBook
from plumbline_domain.rates import Rates
from plumbline_domain.sighting import Sighting
from plumbline_schemas.accounts import AccountState
from plumbline_schemas.catalogue import Body, Coupon, Discount, Price, Product, TaxRate
from plumbline_schemas.ids import ExternalKey, split_key
from plumbline_schemas.internal import RateTable, WorkspaceConfig

from console.explain.catalogue import merged

BodyT = TypeVar("BodyT", bound=Body)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TOLD: Final = {"price": "price_told", "coupon": "coupon_told"}
"""Kinds of which the vendor tells something only when asked: what was told is kept beside them."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object as it stands."""

    key: ExternalKey
    kind: str
    parent: ExternalKey | None
    told_at: datetime
    """The vendor's time of what stands."""
    deleted: bool
    body: str | None
    """JSON in the contract's words; None when only a deletion was seen."""

    def read(self, model: type[BodyT]) -> BodyT | None:
        """The content, typed."""
        return None if self.body is None else model.model_validate_json(self.body)

    @property
    def sighting(self) -> Sighting:
        """Where it came from, as far as reckoning asks."""
        parts = split_key(self.key)
        at = self.told_at
        return Sighting(parts.connection, parts.vendor_id, at, received_at=at, origin="stored")


@dataclass(frozen=True, slots=True)
class Stored:
    """Everything that the numbers of one account are worked out from."""

    state: AccountState
    config: WorkspaceConfig
    at: datetime
    """When the rules look: the log's time, or the newest object's."""
    customers: tuple[ExternalKey, ...]
    objects: tuple[StoredObject, ...]
    """Of these customers, themselves included."""
    catalogue: tuple[StoredObject, ...]
    rates: Rates

    @property
    def currency(self) -> str:
        """The reported one, lower case."""
        return self.config.currency.lower()

    def of(self, customer: ExternalKey, kind: str) -> list[StoredObject]:
        """The customer's objects of a kind, oldest news first."""
        found = [one for one in self.objects if one.parent == customer and one.kind == kind]
        return sorted(found, key=lambda one: (one.told_at, one.key))

    def book(self, connection: str) -> PriceBook:
        """The catalogue of a connection as far as the account names it."""
        kinds: defaultdict[str, dict[str, StoredObject]] = defaultdict(dict)
        for one in self.catalogue:
            parts = split_key(one.key)
            if parts.connection == connection:
                kinds[one.kind][parts.vendor_id] = one
        return PriceBook(
            prices=_typed(kinds, "price", Price),
            products=_typed(kinds, "product", Product),
            coupons=_typed(kinds, "coupon", Coupon),
            discounts=_typed(kinds, "discount", Discount),
            tax_rates=_typed(kinds, "tax_rate", TaxRate),
        )


def _typed(
    kinds: "defaultdict[str, dict[str, StoredObject]]", kind: str, model: type[BodyT]
) -> dict[str, BodyT]:
    """By vendor id; what an object leaves open is taken from what was told of it before."""
    own, told = kinds[kind], kinds[_TOLD.get(kind, "")]
    found = {}
    for vendor_id in {**own, **told}:
        forms = [one for one in (own.get(vendor_id), told.get(vendor_id)) if one is not None]
        bodies = [body for one in forms if (body := one.read(model)) is not None]
        if bodies:
            found[vendor_id] = merged(bodies)
    return found


async def load(db: asyncpg.Connection, state: AccountState) -> Stored | None:
    """Read what is stored; None before the workspace's configuration is in the log."""
    config = await db.fetchval(
        "select body::text from matcher.config_view where workspace = $1", state.workspace
    )
    if config is None:
        return None
    customers = tuple(link.key for link in state.links if split_key(link.key).kind == "customer")
    objects, needs = await _objects(
        db, state.workspace, "key = any($2) or parent_key = any($2)", customers
    )
    catalogue, _ = await _objects(db, state.workspace, "key = any($2)", sorted(needs))
    now = await db.fetchval(
        "select now from matcher.clock_view where workspace = $1", state.workspace
    )
    return Stored(
        state=state,
        config=WorkspaceConfig.model_validate_json(config),
        at=max([now or _EPOCH, *(one.told_at for one in objects)]),
        customers=customers,
        objects=tuple(objects),
        catalogue=tuple(catalogue),
        rates=await _rates(db, state.workspace),
    )


async def _objects(
    db: asyncpg.Connection, workspace: str, condition: str, keys: Sequence[ExternalKey]
) -> tuple[list[StoredObject], set[ExternalKey]]:
    """Objects, and the catalogue objects they name."""
    rows = await db.fetch(
        f"""select key, kind, parent_key, vendor_time_ms, deleted, needs, body::text
            from matcher.working_view where workspace = $1 and ({condition})""",  # noqa: S608
        workspace,
        list(keys),
    )
    found = [
        StoredObject(
            key=row["key"],
            kind=row["kind"],
            parent=row["parent_key"],
            told_at=_EPOCH + timedelta(milliseconds=row["vendor_time_ms"]),
            deleted=row["deleted"],
            body=row["body"],
        )
        for row in rows
    ]
    return found, {ExternalKey(key) for row in rows for key in row["needs"]}


async def _rates(db: asyncpg.Connection, workspace: str) -> Rates:
    """Days of all tables together; where tables share a day, the newest revision has the word."""
    rows = await db.fetch(
        "select body::text from matcher.rate_view where workspace = $1 order by revision, name",
        workspace,
    )
    return rates_of(RateTable.model_validate(orjson.loads(row["body"])) for row in rows)


def rates_of(tables: Iterable[RateTable]) -> Rates:
    """Tables, the one with the last word last."""
    return Rates.of({day: rates for table in tables for day, rates in table.days.items()})
