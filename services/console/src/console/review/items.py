"""Open questions about matches: read from the attention tables, priced, grouped, and named."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

import asyncpg
from plumbline_schemas.accounts import AccountState
from plumbline_schemas.attention_details import DuplicateDetails, MatchDetails, SharedDetails
from plumbline_schemas.ids import AccountId, split_key
from plumbline_schemas.money import Money
from plumbline_schemas.outputs import AttentionItem
from plumbline_schemas.review_outputs import ReviewGroup, ReviewItem, ReviewList

from console import attention
from console.accounts import NotFound
from console.deciding.standing import short_id, shortest
from console.review.domains import common_domain

MATCH_KINDS: Final = ("review_match", "questioned_link")
DUPLICATE_KINDS: Final = ("duplicate_records", "duplicate_customers")
KINDS: Final = (*MATCH_KINDS, "ambiguous_match", *DUPLICATE_KINDS)
_TYPED: Final = 4
"""Fewer characters of an id name nothing."""


async def open_items(db: asyncpg.Connection, now: datetime) -> list[ReviewItem]:
    """Every open question, with the MRR of its account as it is now."""
    found = [one for one in await attention.items(db) if one.kind in KINDS]
    ids = shortest(_key(one) for one in found)
    plain = [_read(one, ids[_key(one)], now) for one in found]
    return await _priced(db, plain)


def _key(item: AttentionItem) -> str:
    return f"{item.workspace}/{item.kind}/{item.subject}"


def _read(item: AttentionItem, i: str, now: datetime) -> ReviewItem:
    known = {
        "id": i,
        "age_seconds": max(0, int((now - item.opened_at).total_seconds())),
        "group": None,
        "mrr": None,
        **item.model_dump(include={"workspace", "kind", "subject", "summary", "opened_at"}),
    }
    if item.kind in MATCH_KINDS:
        match = MatchDetails.model_validate(item.details)
        known["customer"] = item.subject
        return ReviewItem.model_validate(known | _given(match))
    if item.kind in DUPLICATE_KINDS:
        pair = DuplicateDetails.model_validate(item.details)
        known["keys"] = tuple(item.subject.split("|"))
        return ReviewItem.model_validate(known | _given(pair))
    shared = SharedDetails.model_validate(item.details)
    return ReviewItem.model_validate(known | {"account": item.subject} | _given(shared))


def _given(details: MatchDetails | SharedDetails | DuplicateDetails) -> dict[str, object]:
    told = {name: getattr(details, name) for name in type(details).model_fields}
    return {name: value for name, value in told.items() if value not in (None, ())}


async def _priced(db: asyncpg.Connection, items: Sequence[ReviewItem]) -> list[ReviewItem]:
    states = await _states(db, {one.account for one in items if one.account})
    emails = await _emails(db, states.keys())
    return [_enrich(one, states.get(one.account or AccountId("")), emails) for one in items]


async def _states(
    db: asyncpg.Connection, accounts: Iterable[AccountId]
) -> dict[AccountId, AccountState]:
    rows = await db.fetch(
        "select account_id, state from matcher.account_view where account_id = any($1)",
        sorted(accounts),
    )
    return {row["account_id"]: AccountState.model_validate(row["state"]) for row in rows}


async def _emails(
    db: asyncpg.Connection, accounts: Iterable[AccountId]
) -> Mapping[AccountId, list[str]]:
    rows = await db.fetch(
        """select account_id, email from matcher.customer_view
           where account_id = any($1) and email is not null order by key""",
        sorted(accounts),
    )
    found: defaultdict[AccountId, list[str]] = defaultdict(list)
    for row in rows:
        found[row["account_id"]].append(row["email"])
    return found


def _enrich(
    item: ReviewItem, state: AccountState | None, emails: Mapping[AccountId, Sequence[str]]
) -> ReviewItem:
    if state is None:
        return item
    news: dict[str, object] = {}
    mrr = state.fields.get("mrr")
    if mrr is not None and isinstance(mrr.value, Money):
        news["mrr"] = mrr.value
    if item.kind == "ambiguous_match":
        keys = [link.key for link in state.links]
        customers = tuple(key for key in keys if split_key(key).kind == "customer")
        records = [key for key in keys if split_key(key).kind != "customer"]
        news["customers"] = item.customers or customers
        news["record"] = item.record or (records[0] if records else None)
        news["group"] = item.group or common_domain(emails.get(state.id, ()))
    return item.model_copy(update=news)


def grouped(items: Iterable[ReviewItem]) -> ReviewList:
    """Items by domain, the most MRR first; within one currency only amounts are compared."""
    groups: defaultdict[tuple[str, str], list[ReviewItem]] = defaultdict(list)
    count = 0
    for one in items:
        count += 1
        groups[one.workspace, one.group or f"@{one.id}"].append(one)
    made = [
        ReviewGroup(
            workspace=workspace,
            group=members[0].group,
            mrr=_sum(members),
            items=sorted(members, key=_rank),
        )
        for (workspace, _), members in groups.items()
    ]
    return ReviewList(open=count, groups=sorted(made, key=_group_rank))


def _sum(items: Iterable[ReviewItem]) -> list[Money]:
    counted: dict[str, Money] = {one.account or one.id: one.mrr for one in items if one.mrr}
    sums: defaultdict[str, int] = defaultdict(int)
    for mrr in counted.values():
        sums[mrr.currency] += mrr.minor
    return [Money(minor=minor, currency=currency) for currency, minor in sorted(sums.items())]


def _rank(item: ReviewItem) -> tuple[str, int, datetime, str]:
    currency = item.mrr.currency if item.mrr else "~"
    return currency, -(item.mrr.minor if item.mrr else 0), item.opened_at, item.id


def _group_rank(group: ReviewGroup) -> tuple[str, str, int, datetime, str]:
    """By workspace and currency: nobody knows here what a pound is in yen."""
    first = group.mrr[0] if group.mrr else None
    oldest = min(one.opened_at for one in group.items)
    currency = first.currency if first else "~"
    return group.workspace, currency, -(first.minor if first else 0), oldest, group.items[0].id


def find(items: Sequence[ReviewItem], text: str) -> ReviewItem:
    """The item named by its id or its beginning, its subject, or a customer or record in it.

    Raises NotFound when there is none, or more than one.
    """
    typed = text.strip()
    found = [one for one in items if _is_id(one, typed.lower())]
    found = found or [one for one in items if typed in _names(one)]
    about = [one for one in found if one.kind in MATCH_KINDS]
    if len(about) == 1:  # which company it is comes before whether it is there twice
        return about[0]
    if len(found) == 1:
        return found[0]
    if not found:
        raise NotFound(f"no open item {text!r}; `plumbline review list` shows what is open")
    raise NotFound(f"{text!r} is several items: {', '.join(one.id for one in found)}")


def _is_id(item: ReviewItem, typed: str) -> bool:
    whole = short_id(f"{item.workspace}/{item.kind}/{item.subject}")
    return len(typed) >= _TYPED and whole.startswith(typed)


def _names(item: ReviewItem) -> set[str]:
    keys = [key for key in (item.customer, *item.customers, *item.keys) if key]
    return {item.subject, *keys, *(split_key(key).vendor_id for key in keys)}
