"""Which of the observations of one object stands (design 5, time, order, ties).

What is kept is a function of the *set* of observations folded so far, so it can't depend on the
order they arrived in: the newest vendor time wins; of the contents seen at that time all are kept
until a newer one comes, and the winner among them is computed from what they say. A read is asked
for whenever the payloads alone could not tell.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

Content = Mapping[str, Any]
Progress = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Sight:
    """One arrival of a content. Reads have no event id: of equal ones the last arrival is kept."""

    received_at: datetime
    origin: str
    seen: str
    event_id: str | None = None
    event_type: str | None = None
    previous: Content | None = None

    @property
    def arrival(self) -> tuple[datetime, str]:
        """The last resort of a tie, carried in the observation itself."""
        return (self.received_at, self.event_id or "")


@dataclass(frozen=True, slots=True)
class Version:
    """One content at one vendor time, with every arrival of it."""

    content_hash: str
    content: Content
    sights: tuple[Sight, ...]

    @property
    def last(self) -> Sight:
        """The latest arrival: provenance and tie-breaker."""
        return max(self.sights, key=lambda sight: sight.arrival)


@dataclass(frozen=True, slots=True)
class Deletion:
    """A deletion positively seen."""

    vendor_time_ms: int
    sight: Sight


@dataclass(frozen=True, slots=True)
class Held:
    """All that is kept of an object. `versions` share `vendor_time_ms`; the first one stands."""

    vendor_time_ms: int
    versions: tuple[Version, ...] = ()
    deletion: Deletion | None = None
    alive_at: datetime | None = None
    """When a CRM record was last seen alive: a newer sight revives a deleted one."""

    @property
    def standing(self) -> Version | None:
        """The content that counts; None when only a deletion was ever seen."""
        return self.versions[0] if self.versions else None


@dataclass(frozen=True, slots=True)
class Glance:
    """An observation as far as order cares. `content` None: nothing but a deletion."""

    vendor_time_ms: int
    sight: Sight
    content: Content | None
    content_hash: str
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """What differs between vendors and kinds."""

    progress: Callable[[Content], Progress]
    """The object's own progress; a greater one is later."""
    deletion_is_final: bool
    """True for billing objects; a CRM record can be restored under its id."""


@dataclass(frozen=True, slots=True)
class Folded:
    """`changed`: there is something to store. `tie`: the payloads could not tell, look again."""

    held: Held
    changed: bool
    tie: bool = False


def is_deleted(held: Held, rules: Rules) -> bool:
    """Whether the object is gone, as far as was seen."""
    if held.deletion is None:
        return False
    if rules.deletion_is_final or held.alive_at is None:
        return True
    return held.deletion.sight.received_at >= held.alive_at


def fold(held: Held | None, glance: Glance, rules: Rules) -> Folded:
    """Take one observation in. Repeated or older ones change nothing."""
    before = held or Held(vendor_time_ms=-1)
    after = _note_life(before, glance, rules)
    tie = False
    if glance.content is not None and not (glance.deleted and not rules.deletion_is_final):
        after, tie = _fold_content(after, glance, rules)
    if not after.versions and after.deletion is not None:
        after = replace(after, vendor_time_ms=after.deletion.vendor_time_ms)
    return Folded(after, after != held, tie)


def _note_life(held: Held, glance: Glance, rules: Rules) -> Held:
    """Deletions and signs of life. Of several sights the one kept does not depend on order."""
    if not glance.deleted:
        if rules.deletion_is_final:
            return held
        received_at = glance.sight.received_at
        return replace(held, alive_at=max(held.alive_at or received_at, received_at))
    deletion = Deletion(glance.vendor_time_ms, glance.sight)
    if held.deletion is None:
        return replace(held, deletion=deletion)
    pick = min if rules.deletion_is_final else max
    return replace(held, deletion=pick(held.deletion, deletion, key=_deletion_order))


def _deletion_order(deletion: Deletion) -> tuple[datetime, str, int]:
    return (*deletion.sight.arrival, deletion.vendor_time_ms)


def _fold_content(held: Held, glance: Glance, rules: Rules) -> tuple[Held, bool]:
    if glance.content is None:
        return held, False
    fresh = Version(glance.content_hash, glance.content, (glance.sight,))
    if not held.versions or glance.vendor_time_ms > held.vendor_time_ms:
        return replace(held, vendor_time_ms=glance.vendor_time_ms, versions=(fresh,)), False
    if glance.vendor_time_ms < held.vendor_time_ms:
        return held, False
    return _fold_same_time(held, fresh, rules)


def _fold_same_time(held: Held, fresh: Version, rules: Rules) -> tuple[Held, bool]:
    known = {version.content_hash: version for version in held.versions}
    same = known.get(fresh.content_hash)
    if same is not None:
        sights = _with_sight(same.sights, fresh.sights[0])
        if sights == same.sights:
            return held, False
        known[fresh.content_hash] = replace(same, sights=sights)
    else:
        known[fresh.content_hash] = fresh
    ordered, undecided = _rank(_by_content(known.values()), rules)
    # Another arrival of a known content can undo what the others had told.
    tie = undecided and (same is None or not _rank(_by_content(held.versions), rules)[1])
    return replace(held, versions=ordered), tie


def _by_content(versions: Iterable[Version]) -> list[Version]:
    return sorted(versions, key=lambda version: version.content_hash)


def _with_sight(sights: tuple[Sight, ...], fresh: Sight) -> tuple[Sight, ...]:
    """Add an arrival: of one event the first delivery counts, of reads the last.

    So a redelivery, which arrives later, can't turn a tie round.
    """
    kept = {_identity(sight): sight for sight in sights}
    identity = _identity(fresh)
    other = kept.get(identity)
    if other is None:
        kept[identity] = fresh
    else:
        pick = max if fresh.event_id is None else min
        kept[identity] = pick(other, fresh, key=lambda sight: sight.arrival)
    return tuple(kept[name] for name in sorted(kept))


def _identity(sight: Sight) -> str:
    return sight.event_id or ""


def _rank(versions: Sequence[Version], rules: Rules) -> tuple[tuple[Version, ...], bool]:
    """Put the version that stands first; also whether the payloads left it undecided."""
    if len(versions) == 1:
        return tuple(versions), False
    left = [
        version
        for version in versions
        if not any(_overtakes(other, version) for other in versions if other is not version)
    ]
    left = left or list(versions)
    furthest = max(rules.progress(version.content) for version in left)
    leading = [version for version in left if rules.progress(version.content) == furthest]
    standing = max(leading, key=lambda version: (version.last.arrival, version.content_hash))
    rest = (version for version in versions if version is not standing)
    return (standing, *rest), _undecided(leading)


def _undecided(leading: Sequence[Version]) -> bool:
    return len(leading) > 1


def _overtakes(later: Version, earlier: Version) -> bool:
    """Whether `later` says it replaced what `earlier` holds, and not the other way round."""
    return _follows(later, earlier) and not _follows(earlier, later)


def _follows(later: Version, earlier: Version) -> bool:
    return any(_agrees(sight.previous, later, earlier) for sight in later.sights)


def _agrees(previous: Content | None, later: Version, earlier: Version) -> bool:
    """Former values that `earlier` holds and `later` changed."""
    if not previous:
        return False
    names = [name for name in previous if name in later.content or name in earlier.content]
    return (
        bool(names)
        and all(earlier.content.get(name) == previous[name] for name in names)
        and any(later.content.get(name) != previous[name] for name in names)
    )


_INVOICE_RANK = {"draft": 0, "open": 1, "uncollectible": 2, "void": 3, "paid": 4}
_TRANSITIONS = ("finalized_at", "marked_uncollectible_at", "voided_at", "paid_at")


def invoice_progress(content: Content) -> Progress:
    """Status rank, attempts, transitions made: none of them ever goes back."""
    return (
        _INVOICE_RANK.get(str(content.get("status")), 0),
        int(content.get("attempt_count") or 0),
        sum(content.get(name) is not None for name in _TRANSITIONS),
    )


def subscription_progress(content: Content) -> Progress:
    """An ended subscription never lives again."""
    return (int(content.get("ended_at") is not None),)


def no_progress(content: Content) -> Progress:  # noqa: ARG001 - same shape as the others
    """Objects whose content does not say how far they are."""
    return ()


def rules_for(kind: str) -> Rules:
    """The rules of one kind of observation."""
    if kind in {"company", "contact"}:
        return Rules(no_progress, deletion_is_final=False)
    progress = {"invoice": invoice_progress, "subscription": subscription_progress}
    return Rules(progress.get(kind, no_progress), deletion_is_final=True)
