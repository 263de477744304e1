"""Taking documents apart into Stripe objects, whatever file or object they stood in."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from console.explain.files import Document
from console.explain.trouble import BadInput

Raw = Mapping[str, Any]

LISTS: Final = frozenset({"list", "search_result"})
EVENT: Final = "event"
HOLDERS: Final = frozenset({"customer", "subscription", "invoice"})
CATALOGUE: Final = frozenset({"price", "plan", "product", "coupon", "discount", "tax_rate"})
KEPT: Final = HOLDERS | CATALOGUE
_MODES: Final = {True: "live", False: "test"}


@dataclass(frozen=True, slots=True)
class Found:
    """One Stripe object and where it stood."""

    kind: str
    raw: Raw
    where: str
    """File and place, such as `a.json: data[3].items.data[0].price`."""
    embedded: bool = False
    told_at: int = 0
    """Unix seconds of the event that told it; 0 for an object without one."""

    @property
    def id(self) -> str | None:
        """Its id, None when it has none."""
        value = self.raw.get("id")
        return value if isinstance(value, str) and value else None


@dataclass(frozen=True, slots=True)
class ItemPage:
    """One page of a subscription's items, listed on its own."""

    items: tuple[Raw, ...]
    last: bool


@dataclass(frozen=True, slots=True)
class Objects:
    """All that an account's documents hold."""

    found: tuple[Found, ...]
    """Of the kinds that a number can come from: those that files hold first, embedded ones after.
    """
    pages: tuple[ItemPage, ...]
    ignored: tuple[str, ...]
    """Kinds of objects that say nothing about MRR, sorted."""
    notes: tuple[str, ...]


def objects_of(documents: Sequence[Document]) -> Objects:
    """Tell the objects apart by their `object` (never by the file's name).

    Raises:
        BadInput: `not_an_object`, `no_object_key`, `no_id`, `mixed_livemode`, with file and place.
    """
    top: list[Found] = []
    pages: list[ItemPage] = []
    notes: list[str] = []
    for document in documents:
        found = list(_open(document.content, f"{document.file}: ", 0, pages, notes))
        top += found
    embedded = [inner for outer in top for inner in _inside(outer)]
    _refuse_mixed([*top, *(one for one in embedded if one.kind in HOLDERS)])
    kept = [one for one in top if one.kind in KEPT]
    for one in kept:
        if one.id is None and one.kind != "discount":
            raise BadInput("no_id", f"{one.where}id", f"a {one.kind} without an id")
    ignored = {one.kind for one in top} - KEPT - {"subscription_item"}
    return Objects((*kept, *embedded), tuple(pages), tuple(sorted(ignored)), tuple(notes))


def _open(
    content: Any, where: str, told_at: int, pages: list[ItemPage], notes: list[str]
) -> Iterator[Found]:
    """The objects of one document: one, those of a list, or the one an event tells of."""
    kind = _kind(content, where)
    if kind in LISTS:
        yield from _list(content, where, told_at, pages, notes)
    elif kind == EVENT:
        data = content.get("data")
        inner = data.get("object") if isinstance(data, Mapping) else None
        created = content.get("created")
        told = created if isinstance(created, int) else 0
        yield from _open(inner, f"{where}data.object.", told, pages, notes)
    else:
        yield Found(kind, content, where, told_at=told_at)


def _kind(content: Any, where: str) -> str:
    if not isinstance(content, Mapping):
        found = "null" if content is None else type(content).__name__
        raise BadInput("not_an_object", _tidy(where), f"expected a Stripe object, found {found}")
    kind = content.get("object")
    if not isinstance(kind, str) or not kind:
        raise BadInput(
            "no_object_key", _tidy(where), "a Stripe object or list has the key `object`"
        )
    return kind


def _list(
    content: Raw, where: str, told_at: int, pages: list[ItemPage], notes: list[str]
) -> Iterator[Found]:
    data = content.get("data")
    if not isinstance(data, list):
        raise BadInput("not_a_list", f"{where}data", "expected a list of objects")
    found = [
        one
        for place, member in enumerate(data)
        for one in _open(member, f"{where}data[{place}].", told_at, pages, notes)
    ]
    more = content.get("has_more") is True
    items = tuple(one.raw for one in found if one.kind == "subscription_item")
    if items:
        pages.append(ItemPage(items, last=not more))
    elif more:
        notes.append(
            f"{_tidy(where)}: the list goes on (has_more): what is not here is not counted"
        )
    yield from found


def _inside(outer: Found) -> Iterator[Found]:
    """Every object of use that stands inside another, the outermost first."""
    waiting: deque[tuple[Any, str]] = deque([(outer.raw, outer.where)])
    while waiting:
        value, where = waiting.popleft()
        for part, place in _parts(value, where):
            if isinstance(part, Mapping):
                kind = part.get("object")
                if isinstance(kind, str) and kind in KEPT and isinstance(part.get("id"), str):
                    yield Found(kind, part, place, embedded=True, told_at=outer.told_at)
            waiting.append((part, place))


def _parts(value: Any, where: str) -> Iterable[tuple[Any, str]]:
    if isinstance(value, Mapping):
        return [
            (part, f"{where}{name}.")
            for name, part in value.items()
            if isinstance(part, Mapping | list) and name != "metadata"
        ]
    stem = where.removesuffix(".")
    return [
        (part, f"{stem}[{place}].")
        for place, part in enumerate(value)
        if isinstance(part, Mapping | list)
    ]


def _refuse_mixed(found: Iterable[Found]) -> None:
    """Test mode never mixes with live; a price or coupon inside another is of its holder's mode."""
    seen: dict[bool, str] = {}
    for one in found:
        mode = one.raw.get("livemode")
        if isinstance(mode, bool):
            seen.setdefault(mode, f"{one.where}livemode")
    if len(seen) > 1:
        places = "; ".join(f"{seen[mode]} ({_MODES[mode]})" for mode in sorted(seen, reverse=True))
        raise BadInput("mixed_livemode", places, "live and test objects in one account")


def _tidy(where: str) -> str:
    """The place without the dot or colon that a name would follow."""
    return where.rstrip(". ").removesuffix(":")
