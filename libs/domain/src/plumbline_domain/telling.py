"""The few of an account's objects that any rule can point at (design 6).

An account's answers are decided by the first, the last or the newest of those that look alike: of
5,000 active subscriptions the rules only ever name one or two. So a set is folded as the few
objects that can be named, and sets are folded together by telling those few again:
`telling(telling(a) + telling(b))` answers as `telling(a + b)`. The one condition is that all
invoices of a subscription are in the same set as the subscription.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Generic, NamedTuple, TypeVar

from plumbline_schemas.ids import ExternalKey

from plumbline_domain.facts import EPOCH
from plumbline_domain.lifecycle import planned_cancellation
from plumbline_domain.payment_status import counting_invoices
from plumbline_domain.sighting import Seen, SeenInvoice, SeenSubscription
from plumbline_domain.subscriptions import ENDED, end_of, start_of, started

FEW: Final = 12
"""Sets as small as this are left whole."""

SeenT = TypeVar("SeenT", bound=Seen[Any])


class Told(NamedTuple):
    """Subscriptions and invoices, by key."""

    subscriptions: tuple[SeenSubscription, ...] = ()
    invoices: tuple[SeenInvoice, ...] = ()


NOTHING_TOLD: Final = Told()


def telling(
    subscriptions: Sequence[SeenSubscription], invoices: Sequence[SeenInvoice], *, at: datetime
) -> Told:
    """Those that the rules can name at the instant `at`, or need to look up for it."""
    if len(subscriptions) + len(invoices) <= FEW:
        return Told(tuple(subscriptions), tuple(invoices))
    by_id = {seen.id: seen for seen in subscriptions}
    owed = _invoices(invoices, by_id, at)
    owners = {seen.body.subscription for seen in owed if seen.body.status != "paid"}
    kept = _subscriptions(subscriptions, at)
    kept |= {seen.key: seen for name, seen in by_id.items() if name in owners}
    return Told(tuple(kept[key] for key in sorted(kept)), owed)


class _Chosen(Generic[SeenT]):
    """Of those that look alike the one with the smallest key, or with `greatest` the greatest."""

    def __init__(self, key: Callable[[SeenT], Any], *, greatest: bool = False) -> None:
        self._key = key
        self._greatest = greatest
        self._kept: dict[Hashable, tuple[Any, SeenT]] = {}

    def take(self, alike: Hashable, seen: SeenT) -> None:
        """Consider one; of equal keys the first stays."""
        key, kept = self._key(seen), self._kept.get(alike)
        if kept is None or (kept[0] < key if self._greatest else key < kept[0]):
            self._kept[alike] = (key, seen)

    def __iter__(self) -> Iterator[SeenT]:
        return (seen for _, seen in self._kept.values())


def _vendor_id(seen: Seen[Any]) -> str:
    return seen.sighting.vendor_id


def _age(seen: Seen[Any]) -> tuple[datetime, datetime, str]:
    return seen.sighting.age


def _ended_last(seen: SeenSubscription) -> tuple[timedelta, tuple[datetime, str]]:
    return (EPOCH - end_of(seen), start_of(seen))


def _subscriptions(
    subscriptions: Iterable[SeenSubscription], at: datetime
) -> dict[ExternalKey, SeenSubscription]:
    """First, newest and last ended of those that look alike to the rules."""
    first, by_id = _Chosen(start_of), _Chosen[SeenSubscription](_vendor_id)
    newest = _Chosen[SeenSubscription](_age, greatest=True)
    ended = _Chosen(_ended_last)
    for seen in subscriptions:
        body = seen.body
        pause = body.pause_collection
        alike = (
            body.status,
            started(body, at),
            planned_cancellation(body, at),
            body.paused_by_payment_failure,
            None if pause is None else pause.behavior,
            body.start_date is None and body.created is None,
        )
        first.take(alike, seen)
        by_id.take(alike, seen)
        newest.take("any", seen)
        if body.status in ENDED:
            ended.take(alike, seen)
    return {seen.key: seen for chosen in (first, by_id, newest, ended) for seen in chosen}


def _invoices(
    invoices: Sequence[SeenInvoice], by_id: dict[str, SeenSubscription], at: datetime
) -> tuple[SeenInvoice, ...]:
    """Those that payment health and the lifecycle can name."""
    newest, paid_first = _Chosen[SeenInvoice](_age, greatest=True), _Chosen[SeenInvoice](_vendor_id)
    for seen in invoices:
        newest.take("any", seen)
        if seen.body.status == "paid" and seen.body.amount_paid > 0:
            paid_first.take("any", seen)
    counting: dict[Hashable, SeenInvoice] = {}
    latest_of: set[str] = set()
    for seen in counting_invoices(invoices, by_id, at):
        owner = seen.body.subscription or ""
        latest = owner not in latest_of
        latest_of.add(owner)
        if latest and not owner:
            counting.setdefault("one-off", seen)
        if latest or seen.body.status != "uncollectible":
            counting.setdefault(_alike(seen, by_id.get(owner), at), seen)
    found = {seen.key: seen for seen in (*newest, *paid_first, *counting.values())}
    return tuple(found[key] for key in sorted(found))


def _alike(seen: SeenInvoice, owner: SeenSubscription | None, at: datetime) -> Hashable:
    """Equal for counting invoices of which payment health would name the one finalised last."""
    body = seen.body
    if body.status != "open":
        return body.status
    return (
        body.due_date is not None and body.due_date <= at,
        body.attempted and body.collection_method != "send_invoice",
        body.next_payment_attempt is None,
        owner is not None and owner.body.status == "incomplete",
    )
