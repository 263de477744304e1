"""What is kept beside a subscription or an invoice for its account's fold, and its JSON.

The facts and the share are a function of the object, the configuration, the catalogue and the
instant; they are no part of what the log decided, only saved work.
"""

from collections.abc import Callable
from datetime import datetime
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final, NamedTuple

import orjson
from plumbline_domain.facts import (
    CardFacts,
    GivenBack,
    InvoiceFacts,
    NamedItem,
    Pause,
    PriceNames,
    Share,
    SubscriptionFacts,
)
from plumbline_domain.sighting import Seen, Sighting
from plumbline_schemas.ids import ExternalKey

KEPT_KINDS: Final = frozenset(
    {"subscription", "invoice", "charge", "credit_note", "payment_method"}
)

BESIDE: Final = frozenset({"charge", "credit_note", "payment_method"})
"""Of these only what was given back, and when cards expire."""


class Priced(NamedTuple):
    """A share, the grounds it was worked out on and the instant it was worked out for."""

    grounds: str
    at: datetime
    share: Share

    def holds(self, grounds: str, at: datetime) -> bool:
        """Whether it would come out the same."""
        return self.grounds == grounds and self.at <= at and self.share.holds(at)


class Kept(NamedTuple):
    """One object as far as its account is concerned."""

    key: ExternalKey
    kind: str
    parent_key: ExternalKey | None
    content_hash: str | None
    seen: Seen[Any] | None
    """None when it is nothing to the rules: a deleted draft, or only a deletion was seen."""
    needs: frozenset[ExternalKey]
    priced: Priced | None = None


def pack(kept: Kept) -> str:
    """The `facts` column: lists, as they are the quickest to write and to read."""
    seen, priced = kept.seen, kept.priced
    told: list[Any] = [kept.content_hash, None, None, None]
    if seen is not None:
        sight = seen.sighting
        told[1] = [
            sight.vendor_time,
            sight.received_at,
            sight.origin,
            sight.event_id,
            sight.event_type,
        ]
        told[2] = seen.body
    if priced is not None:
        amount, missing, until, own, currency, discounts = priced.share
        own_text = None if own == amount else str(own)
        told[3] = [
            *(priced.grounds, priced.at, str(amount), missing, until),
            *(own_text, currency, discounts),
        ]
    return orjson.dumps(told, default=tuple).decode()


def unpack(
    key: ExternalKey, parent: ExternalKey | None, text: str, needs: list[ExternalKey]
) -> Kept:
    """The reverse of `pack`."""
    _, connection, kind, vendor_id = key.split("/", 3)
    content_hash, sight, body, priced = orjson.loads(text)
    seen: Seen[Any] | None = None
    if sight is not None:
        found = Sighting(
            connection, vendor_id, _at(sight[0]), _at(sight[1]), sight[2], sight[3], sight[4]
        )
        seen = Seen(key, _FACTS[kind](body), found)
    return Kept(
        key,
        kind,
        parent,
        content_hash,
        seen,
        frozenset(needs),
        None if priced is None else _priced(*priced),
    )


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _maybe(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


@lru_cache(maxsize=8192)
def _exact(text: str) -> Fraction:
    """Fractions are slow to read, and a book has few different amounts."""
    return Fraction(text)


def _priced(grounds: str, at: str, amount: str, missing: list[str], *rest: Any) -> Priced:
    until, own, currency, discounts = rest
    exact = _exact(amount)
    share = Share(
        exact,
        tuple(missing),
        _maybe(until),
        exact if own is None else _exact(own),
        currency,
        tuple(discounts),
    )
    return Priced(grounds, _at(at), share)


def _subscription(plain: list[Any]) -> SubscriptionFacts:
    (status, created, start, ended, canceled, cancel, at_end, pause, failed, items, *rest) = plain
    instants, renews, trial, intervals, method, currency, often = rest
    return SubscriptionFacts(
        status,
        _maybe(created),
        _maybe(start),
        _maybe(ended),
        _maybe(canceled),
        _maybe(cancel),
        at_end,
        None if pause is None else Pause(pause[0], _maybe(pause[1])),
        failed,
        tuple(NamedItem(one[0], _maybe(one[1]), PriceNames(*one[2])) for one in items),
        tuple([datetime.fromisoformat(one) for one in instants]),
        _maybe(renews),
        _maybe(trial),
        tuple(intervals),
        method,
        currency,
        often,
    )


def _invoice(plain: list[Any]) -> InvoiceFacts:
    (status, owner, created, finalized, paid, attempted, method, due, following, *rest) = plain
    reason, currency, attempts, paid_at = rest
    return InvoiceFacts(
        status,
        owner,
        _maybe(created),
        _maybe(finalized),
        paid,
        attempted,
        method,
        _maybe(due),
        _maybe(following),
        reason,
        currency,
        attempts,
        _maybe(paid_at),
    )


def _given_back(plain: list[Any]) -> GivenBack:
    return GivenBack(*plain)


def _card(plain: list[Any]) -> CardFacts:
    return CardFacts(_maybe(plain[0]), _at(plain[1]))


_FACTS: Final[dict[str, Callable[[list[Any]], Any]]] = {
    "subscription": _subscription,
    "invoice": _invoice,
    "charge": _given_back,
    "credit_note": _given_back,
    "payment_method": _card,
}
