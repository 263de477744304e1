"""Answering: decide, wait for the matcher, say what came of it; and taking an answer back."""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime

import asyncpg
from plumbline_runtime.attention import Item, close_items
from plumbline_schemas.ids import ExternalKey, split_key
from plumbline_schemas.internal import Decision
from plumbline_schemas.outputs import Output
from plumbline_schemas.review_outputs import Decided, ReviewItem, Settled

from console.accounts import NotFound
from console.deciding.known import find_record, linked
from console.deciding.publish import as_told, folded, put
from console.deciding.run import Desk, Refused
from console.deciding.standing import standing, withdrawal
from console.review.choices import Choice, Maker, answers_for_group, decisions_for, group_of
from console.review.items import DUPLICATE_KINDS, find, open_items
from console.review.undoing import matching


async def decide(
    desk: Desk, text: str, choice: Choice, *, by: str, group: bool, wait: float
) -> tuple[Output, int]:
    """Answer an item, or all of its domain; 1 when the matcher took longer than `wait` seconds."""
    now = datetime.now(UTC)
    items = await open_items(desk.db, now)
    item = find(items, text)
    members = group_of(item, items) if group else [item]
    maker = Maker(by, now, await _linked_by_a_person(desk.db, item))
    others = await _others(desk.db, item, choice)
    if group:
        made, alone = answers_for_group(members, choice, maker, others)
    else:
        made, alone = decisions_for(item, choice, maker, others), []
    left = {one.item for one in alone}
    told = await settle(desk, made, [one for one in members if one.id not in left], now, wait)
    return told.model_copy(update={"left_alone": alone}), 0 if told.folded else 1


async def undo(
    desk: Desk, text: str, *, by: str, everything: bool, wait: float
) -> tuple[Output, int]:
    """Take back a decision, found by its id, its item's, or a customer's.

    An answer that was several decisions, made in one instant, is taken back as one.
    """
    now = datetime.now(UTC)
    stood = matching(await standing(desk.db), text)
    if not stood:
        raise NotFound(f"no standing decision {text!r}")
    if len({one.decided_at for one in stood}) > 1 and not everything:
        ids = "; ".join(f"{one.id} ({one.action} {one.record or one.other or ''})" for one in stood)
        raise Refused(f"{text!r} is several decisions, name one or take --all: {ids}")
    made = [withdrawal(one, by, now) for one in stood]
    told = await settle(desk, made, [], now, wait)
    return told, 0 if told.folded else 1


async def settle(
    desk: Desk,
    made: Sequence[Decision],
    answered: Sequence[ReviewItem],
    now: datetime,
    wait: float,
) -> Decided:
    """Put decisions into the log, wait for the matcher, and tell what came of them."""
    before = await open_items(desk.db, now)
    revisions, replaced = await put(desk, made, now)
    done = await folded(desk, revisions, wait)
    if done:
        await _close_duplicates(desk.db, answered)
    after = {one.id: one for one in await open_items(desk.db, now)}
    groups = {(one.workspace, one.group) for one in answered if one.group}
    named = {one.id for one in answered}
    rest = [one for one in before if (one.workspace, one.group) in groups and one.id not in named]
    return Decided(
        decisions=as_told(made),
        replaced=replaced,
        left_alone=[],
        folded=done,
        settled=await _outcomes(desk.db, made, answered, after),
        also_closed=sum(one.id not in after for one in rest),
        still_open=sum(one.id in after for one in rest),
    )


async def _outcomes(
    db: asyncpg.Connection,
    made: Sequence[Decision],
    answered: Sequence[ReviewItem],
    after: Collection[str],
) -> list[Settled]:
    rows: list[tuple[str, str, ExternalKey | None]] = [
        (one.id, one.summary, key) for one in answered for key in (one.customers or (one.customer,))
    ]
    told = {key for _, _, key in rows}
    named = dict.fromkeys(one.customer for one in made if one.customer)
    rows += [("", "", key) for key in named if key not in told and not answered]
    places = await linked(db, {key for _, _, key in rows if key})
    found = []
    for i, summary, key in rows:
        account, records = places.get(key, (None, [])) if key else (None, [])
        found.append(
            Settled(
                item=i,
                status="open" if i in after else "closed",
                summary=summary,
                customer=key,
                account=account,
                records=records,
            )
        )
    return found


async def _linked_by_a_person(db: asyncpg.Connection, item: ReviewItem) -> frozenset[ExternalKey]:
    """Customers of the item whose standing decision a `keep_merged` would replace."""
    stood = await standing(db, item.workspace, item.customers)
    return frozenset(
        one.customer
        for one in stood
        if one.customer and one.action in ("link", "subsidiary") and not one.withdrawn
    )


async def _others(
    db: asyncpg.Connection, item: ReviewItem, choice: Choice
) -> Callable[[str], ExternalKey]:
    """Records that are no candidates, looked up before the choice is read."""
    known = {one.record for one in item.candidates} | {
        split_key(one.record).vendor_id for one in item.candidates
    }
    found: dict[str, ExternalKey] = {}
    if choice.force:
        for text in choice.named:
            if text not in known and len(text) > 1:
                found[text] = await find_record(db, item.workspace, text)

    def other(text: str) -> ExternalKey:
        if text not in found and text not in found.values():
            raise Refused(f"no CRM record {text!r} is known")
        return found.get(text, ExternalKey(text))

    return other


async def _close_duplicates(db: asyncpg.Connection, answered: Sequence[ReviewItem]) -> None:
    """The scan's items are closed where they were opened; the matcher knows nothing of them."""
    items = [
        Item(one.workspace, kind, one.subject)
        for one in answered
        for kind in DUPLICATE_KINDS
        if one.kind == kind
    ]
    async with db.transaction():
        await close_items(db, items)
