"""How a vendor's events arrive: late, out of order, twice; and the reads that are asked for."""

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import blake2b
from typing import Final, NamedTuple

import orjson
from plumbline_connectors.stripe.translate import (
    StripeContext,
    translate_event,
    translate_object,
)
from plumbline_schemas.ids import ExternalKey
from plumbline_schemas.observations import AnyObservation
from plumbline_schemas.outcomes import RefreshRequest

from tests.histories.vendor import Vendor

TWICE: Final = 0.08
"""Share of events delivered a second time."""
LATE: Final = 0.2
"""Share of a part's events that wait for the next."""
ORDERS: Final = ("shuffled", "shuffled", "nearly", "reversed", "in order")


@dataclass
class Counts:
    """What was delivered and looked at."""

    events: int = 0
    """Without those delivered twice."""
    deliveries: int = 0
    tied: int = 0
    """Events that share object and second with one of another content."""
    tied_invoices: int = 0
    reads: Counter[str] = field(default_factory=Counter)
    """By why they were asked for."""
    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)
    """The same by the kind of object too."""

    def add(self, other: "Counts") -> None:
        """Count both together."""
        self.events += other.events
        self.deliveries += other.deliveries
        self.tied += other.tied
        self.tied_invoices += other.tied_invoices
        self.reads += other.reads
        self.kinds += other.kinds


class _Wish(NamedTuple):
    reason: str
    wait: bool
    """Begun at least two seconds after it was asked for."""


class Delivery:
    """One endpoint and the reader beside it."""

    def __init__(
        self, vendor: Vendor, context: StripeContext, chance: random.Random, order: str
    ) -> None:
        self.counts = Counts()
        self._vendor, self._context, self._random, self._order = vendor, context, chance, order
        self._waiting: list[bytes] = []
        self._looked: list[AnyObservation] = []
        self._wishes: dict[ExternalKey, _Wish] = {}
        self._told: dict[tuple[str, int], Counter[bytes]] = {}
        self._arrived = 0

    def take(self, bodies: Iterable[bytes], *, last: bool) -> list[AnyObservation]:
        """New events, and those that were late: what arrives of them now, translated."""
        fresh = list(bodies)
        self.counts.events += len(fresh)
        again = [body for body in fresh if self._random.random() < TWICE]
        pool = self._waiting + fresh + again
        stays = [not last and self._random.random() < LATE for _ in pool]
        self._waiting = [body for body, stay in zip(pool, stays, strict=True) if stay]
        arriving = self._in_order([b for b, stay in zip(pool, stays, strict=True) if not stay])
        found: list[AnyObservation] = []
        for body in arriving:
            found += self._translated(body)
        for seen in self._looked:
            found.insert(self._random.randrange(len(found) + 1), seen)
        self._looked = []
        return found

    def _in_order(self, bodies: list[bytes]) -> list[bytes]:
        if self._order == "shuffled":
            self._random.shuffle(bodies)
        elif self._order == "reversed":
            bodies.reverse()
        elif self._order == "nearly":
            places = {id(body): n + self._random.uniform(0, 9) for n, body in enumerate(bodies)}
            bodies.sort(key=lambda body: places[id(body)])
        return bodies

    def _translated(self, body: bytes) -> list[AnyObservation]:
        self._arrived += 1
        self.counts.deliveries += 1
        received = self._vendor.clock.now() + timedelta(microseconds=self._arrived)
        told = translate_event(body, self._context, received_at=received)
        own = {one.key for one in told.observations}
        for read in told.reads:
            known = self._wishes.get(read.key, _Wish("delivery", wait=False))
            self._wishes[read.key] = known._replace(wait=known.wait or read.key in own)
        for one in told.observations:
            self._note(one, body)
        return list(told.observations)

    def _note(self, one: AnyObservation, body: bytes) -> None:
        """Remember contents by object and second, each event once."""
        content = b"" if one.body is None else one.body.model_dump_json().encode()
        print_of = blake2b(content, digest_size=8).digest()
        at = self._told.setdefault((one.key, one.vendor_time_ms), Counter())
        event = blake2b(str(orjson.loads(body)["id"]).encode(), digest_size=8).digest()
        at[print_of + event] = 1

    def count_ties(self) -> None:
        """Once everything was delivered."""
        for (key, _), contents in self._told.items():
            if len({mark[:8] for mark in contents}) > 1:
                self.counts.tied += len(contents)
                if key.split("/")[2] == "invoice":
                    self.counts.tied_invoices += len(contents)

    async def walk(self, objects: Iterable[tuple[str, str]]) -> list[AnyObservation]:
        """These objects, as a first walk finds them."""
        found: list[AnyObservation] = []
        for kind, vendor_id in objects:
            found += await self._read(self._context.key(kind, vendor_id))
        return found

    async def look(self, kind: str, vendor_id: str) -> None:
        """A look that nobody asked for, such as a walk's, to arrive with the next part."""
        self._looked += await self._read(self._context.key(kind, vendor_id))

    def ask(self, requests: Iterable[RefreshRequest]) -> None:
        """What the matcher asks for; several askers are one read."""
        for one in requests:
            tie = one.not_before is not None
            known = self._wishes.get(one.key)
            wait = tie or (known is not None and known.wait)
            reason = known.reason if known is not None else one.reason
            self._wishes[one.key] = _Wish(reason, wait)

    async def read(self, *, after: float | None = None) -> list[AnyObservation]:
        """Carry out what is asked for; empty when nothing was, or nothing was found.

        Reads begin `after` so many seconds, or after a while of their own.
        """
        wishes, self._wishes = self._wishes, {}
        if any(wish.wait for wish in wishes.values()):
            self._vendor.advance(self._random.uniform(2, 4))
        elif wishes:
            self._vendor.advance(self._random.choice([0, 0.3, 1.5]) if after is None else after)
        found: list[AnyObservation] = []
        for key, wish in sorted(wishes.items()):
            self.counts.reads[wish.reason] += 1
            self.counts.kinds[wish.reason, key.split("/")[2]] += 1
            found += await self._read(key)
        return found

    @property
    def asked(self) -> bool:
        """Whether reads are waiting."""
        return bool(self._wishes)

    async def _read(self, key: ExternalKey) -> list[AnyObservation]:
        """As the reader does (`ingest_webhooks.looks`)."""
        _, _, kind, vendor_id = key.split("/", 3)
        result = await self._vendor.client.read(kind, vendor_id)
        self._arrived += 1
        if result.obj is None:
            return []
        seen = translate_object(
            result.obj,
            self._context,
            seen="read",
            origin="webhook",
            vendor_time_ms=int(result.began_at.timestamp()) * 1000,
            received_at=self._vendor.clock.now() + timedelta(microseconds=self._arrived),
        )
        return [] if seen is None else [seen]
