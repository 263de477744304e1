"""What an answer means: from an item and a person's choice to decisions, or a reason why not."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from string import ascii_lowercase
from typing import Final

from plumbline_domain.identity.weights import shipped
from plumbline_schemas.ids import ExternalKey, split_key
from plumbline_schemas.internal import Decision, DecisionAction
from plumbline_schemas.review_outputs import LeftAlone, ReviewItem

from console.deciding.run import Refused
from console.review.items import DUPLICATE_KINDS, MATCH_KINDS

LETTERS: Final = ascii_lowercase
ALL: Final = "all"
_MATCH: Final[frozenset[DecisionAction]] = frozenset(
    {"link", "not_this", "create", "agency", "subsidiary"}
)
_SHARED: Final[frozenset[DecisionAction]] = frozenset({"split", "keep_merged", "pick_winner"})
_OF_KIND: Final = {
    **dict.fromkeys(MATCH_KINDS, _MATCH),
    "ambiguous_match": _SHARED,
    **dict.fromkeys(DUPLICATE_KINDS, frozenset({"not_duplicate"})),
}
OPTIONS: Final[dict[DecisionAction, str]] = {
    "link": "--link RECORD",
    "not_this": "--not-this RECORD",
    "create": "--create",
    "agency": "--agency",
    "subsidiary": "--subsidiary RECORD",
    "split": "--split CUSTOMER",
    "keep_merged": "--keep-merged",
    "pick_winner": "--winner CUSTOMER",
    "not_duplicate": "--not-duplicate",
}


@dataclass(frozen=True)
class Choice:
    """What a person answered: an action, and what it names, as typed."""

    action: DecisionAction
    named: tuple[str, ...] = ()
    force: bool = False


@dataclass(frozen=True)
class Maker:
    """Who decides, when, and who is settled already."""

    by: str
    at: datetime
    decided: frozenset[ExternalKey] = frozenset()
    """Customers that a person has linked: their decision stays as it is."""

    def decision(
        self,
        action: DecisionAction,
        *,
        guessed: float | None = None,
        **named: ExternalKey | None,
    ) -> Decision:
        """One decision of this person; `guessed` is what the machine had said."""
        return Decision(
            action=action,
            probability=guessed,
            model_version=None if guessed is None else shipped().version,
            decided_by=self.by,
            decided_at=self.at,
            **named,
        )


def fits(item: ReviewItem, action: DecisionAction) -> None:
    """Raise Refused with the answers that an item of this kind takes, unless this is one."""
    allowed = _OF_KIND[item.kind]
    if action not in allowed:
        answers = ", ".join(option for name, option in OPTIONS.items() if name in allowed)
        raise Refused(f"{OPTIONS[action]} does not answer {item.kind}; it takes {answers}")


def decisions_for(
    item: ReviewItem, choice: Choice, maker: Maker, others: Callable[[str], ExternalKey]
) -> list[Decision]:
    """The decisions that an answer to one item is.

    `others` finds the key of a record that is no candidate, for a choice with `force`; it raises
    Refused when nobody knows it. Raises Refused when the answer does not fit the item.
    """
    fits(item, choice.action)
    if item.kind in MATCH_KINDS:
        return list(_about_match(item, choice, maker, others))
    if item.kind == "ambiguous_match":
        return list(_about_shared(item, choice, maker))
    one, other = item.keys
    if item.kind == "duplicate_customers":
        return [maker.decision("not_duplicate", customer=one, other=other)]
    return [maker.decision("not_duplicate", record=one, other=other)]


def _about_match(
    item: ReviewItem, choice: Choice, maker: Maker, others: Callable[[str], ExternalKey]
) -> Iterable[Decision]:
    said = {one.record: one.probability for one in item.candidates}
    if choice.action in ("create", "agency"):
        best = next(iter(said.values()), None) if choice.action == "create" else None
        yield maker.decision(choice.action, guessed=best, customer=item.customer)
        return
    records = [one.record for one in item.candidates]
    if choice.named == (ALL,) and choice.action == "not_this":
        wanted = records
    else:
        wanted = [_candidate(item, text, choice.force, others) for text in choice.named]
    if not wanted:
        raise Refused(f"item {item.id} has no candidate that could be ruled out")
    for record in dict.fromkeys(wanted):
        guessed = None if choice.action == "subsidiary" else said.get(record)
        yield maker.decision(choice.action, guessed=guessed, customer=item.customer, record=record)


def _candidate(
    item: ReviewItem, text: str, force: bool, others: Callable[[str], ExternalKey]
) -> ExternalKey:
    records = [one.record for one in item.candidates]
    found = [
        record
        for letter, record in zip(LETTERS, records, strict=False)
        if text in (letter, record, split_key(record).vendor_id)
    ]
    if len(found) == 1:
        return found[0]
    if len(found) > 1:
        raise Refused(f"{text!r} is several records: {', '.join(found)}")
    if force:
        return others(text)
    listed = ", ".join(f"{letter} ({key})" for letter, key in zip(LETTERS, records, strict=False))
    raise Refused(
        f"{text!r} is no candidate of item {item.id}; it has {listed or 'none'}. "
        "--force takes another record all the same"
    )


def _about_shared(item: ReviewItem, choice: Choice, maker: Maker) -> Iterable[Decision]:
    if choice.action == "keep_merged":
        waiting = [key for key in item.customers if key not in maker.decided]
        if not waiting:
            raise Refused(f"all customers of item {item.id} were linked by a person already")
        for key in waiting:
            yield maker.decision("keep_merged", customer=key)
        return
    [text] = choice.named
    found = [
        key for key in item.customers if text in (key, split_key(key).vendor_id) or
        text == LETTERS[item.customers.index(key) % len(LETTERS)]
    ]  # fmt: skip
    if len(found) != 1:
        raise Refused(
            f"{text!r} is not one of the customers of item {item.id}: {', '.join(item.customers)}"
        )
    if choice.action == "split":
        yield maker.decision("split", customer=found[0], record=item.record)
    else:
        yield maker.decision("pick_winner", customer=found[0])


def group_of(item: ReviewItem, items: Sequence[ReviewItem]) -> list[ReviewItem]:
    """The item and all others of its domain that ask the same kind of thing, itself first.

    Raises Refused for an item without a domain, or of a kind that is about one account or pair.
    """
    if item.kind not in MATCH_KINDS:
        raise Refused(f"--group settles customers of one domain; {item.id} asks about {item.kind}")
    if item.group is None:
        raise Refused(f"item {item.id} belongs to no group")
    return [item] + [
        one
        for one in items
        if (one.workspace, one.group) == (item.workspace, item.group)
        and one.kind in MATCH_KINDS
        and one.id != item.id
    ]


def answers_for_group(
    members: Sequence[ReviewItem],
    choice: Choice,
    maker: Maker,
    others: Callable[[str], ExternalKey],
) -> tuple[list[Decision], list[LeftAlone]]:
    """The answer to the first item, and to each further one that it fits.

    An agency's domain is one decision, whoever has customers there.
    """
    first, *rest = members
    made = decisions_for(first, choice, maker, others)
    if choice.action == "agency":
        return made, []
    alone: list[LeftAlone] = []
    keys = tuple(one.record for one in made if one.record is not None)
    if keys and choice.named != (ALL,):
        choice = Choice(choice.action, keys, force=choice.force)
    for item in rest:
        try:
            made += decisions_for(item, choice, maker, others)
        except Refused as refused:
            alone.append(LeftAlone(item=item.id, why=str(refused)))
    return made, alone
