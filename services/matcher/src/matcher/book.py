"""One customer's subscriptions and invoices, summed up so that a change touches few of them.

A tree of three levels: leaves of some dozen objects, branches of some leaves, and the root. Each
keeps its sum until one of its objects changes or an instant comes at which it may be otherwise. A
change in a customer of 5,000 subscriptions sums up one leaf, one branch and the root again.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final
from zlib import crc32

from plumbline_domain.facts import EPOCH, Share
from plumbline_domain.holdings import NOTHING_HELD, Holdings, hold, together
from plumbline_schemas.ids import ExternalKey

from matcher.kept import BESIDE, Kept

LEAF: Final = 40
"""Objects in a leaf, about."""
BRANCH: Final = 10
"""Leaves in a branch."""

ShareOf = Callable[[Kept, datetime], Share]


class _Leaf:
    def __init__(self) -> None:
        self.kept: dict[ExternalKey, Kept] = {}
        self.latest: datetime | None = None
        self.sum: Holdings | None = None
        self.summed_at = EPOCH

    def changed(self) -> None:
        self.latest = self.sum = None


class _Branch:
    def __init__(self) -> None:
        self.leaves: list[_Leaf] = []
        self.latest: datetime | None = None
        self.sum: Holdings | None = None
        self.summed_at = EPOCH

    def changed(self) -> None:
        self.latest = self.sum = None


class Book:
    """What hangs on one customer."""

    def __init__(self) -> None:
        self._place: dict[ExternalKey, int] = {}
        self._grounds: str | None = None
        self.needs: set[ExternalKey] = set()
        """Catalogue objects that any of them depends on, or did."""
        self._leaves: list[_Leaf] = []
        self._branches: list[_Branch] = []
        self._grow(1)

    def __len__(self) -> int:
        return len(self._place)

    def get(self, key: ExternalKey) -> Kept | None:
        """What is kept of one object."""
        place = self._place.get(key)
        return None if place is None else self._leaves[place].kept[key]

    def objects(self) -> Iterable[Kept]:
        """All of them, in no order."""
        return (kept for leaf in self._leaves for kept in leaf.kept.values())

    def invoices_of(self, subscription: Kept) -> list[Kept]:
        """The invoices that name a subscription, by key: they lie where it does."""
        name, place = subscription.key.split("/", 3)[3], self._place[subscription.key]
        return sorted(
            (
                kept
                for kept in self._leaves[place].kept.values()
                if kept.kind == "invoice"
                and kept.seen is not None
                and kept.seen.body.subscription == name
            ),
            key=lambda kept: kept.key,
        )

    def doubtful(self, at: datetime) -> Iterable[Kept]:
        """Those that no sum holds for at the instant `at`: only their shares may be stale."""
        for leaf in self._leaves:
            if leaf.sum is None or leaf.summed_at > at or not leaf.sum.holds(at):
                yield from leaf.kept.values()

    def stand_on(self, grounds: str) -> None:
        """Forget the sums if what all the shares stand on has changed."""
        if grounds != self._grounds:
            self._grounds = grounds
            for place in range(len(self._leaves)):
                self._touch(place)

    def put(self, kept: Kept) -> None:
        """Take in an object, in place of what was known of it."""
        if len(self._place) > 2 * LEAF * len(self._leaves):
            self._grow(2 * len(self._place) // LEAF)
        key, place = kept.key, self._place_of(kept)
        before = self._place.get(key)
        if before is not None and before != place:
            self._leaves[before].kept.pop(key, None)
            self._touch(before)
        self._leaves[place].kept[key] = kept
        self._place[key] = place
        self.needs |= kept.needs
        self._touch(place)

    def update(self, kept: Kept) -> None:
        """Remember a share worked out while summing up, which changes no sum."""
        self._leaves[self._place[kept.key]].kept[kept.key] = kept

    @property
    def latest(self) -> datetime:
        """The newest vendor time among the objects the rules see."""
        for branch in self._branches:
            if branch.latest is None:
                branch.latest = max([_latest(leaf) for leaf in branch.leaves], default=EPOCH)
        return max(branch.latest or EPOCH for branch in self._branches)

    def holdings(self, share_of: ShareOf, at: datetime) -> Holdings:
        """The sum over all at the instant `at`."""
        parts = []
        for branch in self._branches:
            if branch.sum is None or branch.summed_at > at or not branch.sum.holds(at):
                leaves = [_sum(leaf, share_of, at) for leaf in branch.leaves]
                branch.sum, branch.summed_at = together(leaves, at=at), at
            parts.append(branch.sum)
        return together(parts, at=at)

    def _grow(self, leaves: int) -> None:
        kept = list(self.objects())
        self._leaves = [_Leaf() for _ in range(leaves)]
        self._branches = [_Branch() for _ in range((leaves + BRANCH - 1) // BRANCH)]
        for number, leaf in enumerate(self._leaves):
            self._branches[number // BRANCH].leaves.append(leaf)
        for one in kept:
            place = self._place_of(one)
            self._place[one.key] = place
            self._leaves[place].kept[one.key] = one

    def _place_of(self, kept: Kept) -> int:
        """Invoices lie with their subscription: `telling` asks for that."""
        if len(self._leaves) == 1:
            return 0
        name = kept.key.split("/", 3)[3]
        if kept.kind == "invoice" and kept.seen is not None:
            name = kept.seen.body.subscription or name
        return crc32(name.encode()) % len(self._leaves)

    def _touch(self, place: int) -> None:
        self._leaves[place].changed()
        self._branches[place // BRANCH].changed()


def _latest(leaf: _Leaf) -> datetime:
    if leaf.latest is None:
        seen = [kept.seen for kept in leaf.kept.values()]
        leaf.latest = max(
            [one.sighting.vendor_time for one in seen if one is not None], default=EPOCH
        )
    return leaf.latest


def _owed(ordered: list[Kept]) -> list[Kept]:
    """Invoices, less those of subscriptions that are known and out of scope."""
    outside = {
        kept.key.split("/", 3)[3]
        for kept in ordered
        if kept.kind == "subscription" and kept.seen is None and kept.content_hash is not None
    }
    invoices = [kept for kept in ordered if kept.kind == "invoice" and kept.seen is not None]
    if not outside:
        return invoices
    return [
        kept
        for kept in invoices
        if kept.seen is not None and kept.seen.body.subscription not in outside
    ]


def _sum(leaf: _Leaf, share_of: ShareOf, at: datetime) -> Holdings:
    if not leaf.kept:
        return NOTHING_HELD
    if leaf.sum is None or leaf.summed_at > at or not leaf.sum.holds(at):
        ordered = [leaf.kept[key] for key in sorted(leaf.kept)]
        found = [kept for kept in ordered if kept.kind == "subscription" and kept.seen is not None]
        leaf.sum = hold(
            [kept.seen for kept in found if kept.seen is not None],
            [share_of(kept, at) for kept in found],
            [kept.seen for kept in _owed(ordered) if kept.seen is not None],
            at=at,
            beside=[kept.seen for kept in ordered if kept.kind in BESIDE and kept.seen is not None],
        )
        leaf.summed_at = at
    return leaf.sum
