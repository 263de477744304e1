"""Field ownership: which properties of a CRM record to write, and where a person disagreed.

Three values of a property are compared (design 7): *desired* (what billing says), *seen* (what the
record was last seen to hold) and *applied* (what we last wrote or found in place). We own the
properties of the mapping; a seen value that is neither ours nor desired was set by someone else.
"""

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

ConflictPolicy = Literal["overwrite", "keep", "queue"]
Resolution = Literal["overwritten", "kept", "queued"]
_NOTHING: Final[Mapping[str, Collection[str]]] = MappingProxyType({})
SameValue = Callable[[str, str | None, str | None], bool]
"""(property, one value, the other) -> whether the vendor would call them equal."""


class FieldConflict(NamedTuple):
    """Someone else changed a property that we own."""

    property: str
    observed: str
    applied: str
    desired: str
    resolution: Resolution


class Memory(NamedTuple):
    """What earlier writes of one record left behind."""

    applied: Mapping[str, str]
    echoed: Mapping[str, str]
    """The vendor's own rendition of a value we wrote, where it differs from what we sent."""
    conflicts: Mapping[str, str]
    """Property -> the foreign value whose conflict was already reported."""
    late: Mapping[str, Collection[str]] = _NOTHING
    """Property -> values of ours whose writes had no answer and may yet be carried out."""


class Decision(NamedTuple):
    """What to do with one record."""

    writes: dict[str, str]
    agreed: dict[str, str]
    """Properties that already hold the desired value."""
    conflicts: tuple[FieldConflict, ...]
    """All standing conflicts."""
    news: tuple[FieldConflict, ...]
    """Those not reported before."""

    @property
    def queued(self) -> bool:
        """Whether a person must decide before everything is written."""
        return any(conflict.resolution == "queued" for conflict in self.conflicts)


def decide(
    desired: Mapping[str, str],
    seen: Mapping[str, str | None],
    memory: Memory,
    *,
    policy: ConflictPolicy,
    same: SameValue,
    excluded: Collection[str] = (),
) -> Decision:
    """Compare property by property; `excluded` ones can't be written at all.

    A conflict is overwritten, kept until our value changes, or queued, by `policy`. A property
    that we never wrote and that holds some other value is simply taken over: it is ours by the
    mapping.
    """
    writes: dict[str, str] = {}
    agreed: dict[str, str] = {}
    conflicts: list[FieldConflict] = []
    for name, wanted in desired.items():
        if name in excluded:
            continue
        found = seen.get(name)
        if _holds(name, wanted, found, memory, same):
            agreed[name] = wanted
            continue
        conflict = _conflict(name, wanted, found, memory=memory, policy=policy, same=same)
        if conflict is not None:
            conflicts.append(conflict)
        if conflict is None or conflict.resolution == "overwritten":
            writes[name] = wanted
    return Decision(writes, agreed, tuple(conflicts), _news(conflicts, memory, same))


def _holds(name: str, wanted: str, found: str | None, memory: Memory, same: SameValue) -> bool:
    if same(name, found, wanted):
        return True
    rendition = memory.echoed.get(name)
    return rendition is not None and memory.applied.get(name) == wanted and found == rendition


def _conflict(
    name: str,
    wanted: str,
    found: str | None,
    *,
    memory: Memory,
    policy: ConflictPolicy,
    same: SameValue,
) -> FieldConflict | None:
    last = memory.applied.get(name)
    if last is None or same(name, found, last) or found == memory.echoed.get(name, last):
        return None
    if any(same(name, found, late) for late in memory.late.get(name, ())):
        return None
    return FieldConflict(name, found or "", last, wanted, _resolution(policy, wanted, last))


def _resolution(policy: ConflictPolicy, wanted: str, last: str) -> Resolution:
    if policy == "queue":
        return "queued"
    if policy == "keep" and wanted == last:
        return "kept"
    return "overwritten"


def _news(
    conflicts: list[FieldConflict], memory: Memory, same: SameValue
) -> tuple[FieldConflict, ...]:
    return tuple(
        conflict
        for conflict in conflicts
        if conflict.property not in memory.conflicts
        or not same(conflict.property, conflict.observed, memory.conflicts[conflict.property])
    )
