"""Duplicates on write: who a new or changed customer or company may be a second time.

The same pairs and weights as `plumbline identity duplicates`, which scans everything; here only
those whose profile changed are compared, with those that share a key with them, and only once the
books are whole. An item opens when the likeliest partner is likely enough and none is told yet; it
closes when its pair is none any more. Nothing is ever merged here.

What it costs is bounded: a look at the index that goes with the storing of the profiles, and as
many partners for each as keys that no crowd holds bring, at most `MOST`.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, NamedTuple

import asyncpg
from plumbline_domain.identity.duplicate_items import (
    DUPLICATE_KIND,
    DuplicateItem,
    duplicate_item,
)
from plumbline_domain.identity.duplicates import (
    SEARCHED,
    Crowds,
    Duplicate,
    shipped_pairs,
    weigh,
)
from plumbline_domain.identity.index import Side
from plumbline_domain.identity.keys import FAN_OUT, key_of
from plumbline_domain.identity.profile import Profile
from plumbline_runtime.attention import Item, close_items, open_attention
from plumbline_schemas.decisions import apart_subject, pair_subject
from plumbline_schemas.ids import OWN, external_key

from matcher.calls import Call, Typed
from matcher.identity_index import PostgresIndex, known_keys, profile_of, salt
from matcher.identity_parties import key_in
from matcher.identity_sql import listed
from matcher.snapshot import Snapshot

MOST: Final = 60
"""Partners of one profile that are compared, those that share the most keys."""

_AT_ONCE: Final = 200
"""Partners whose profiles come with the look; of more, only those of the likeliest are asked."""
_DELETED: Final = """
select o.key from unnest($2::text[]) as wanted (key)
cross join lateral (
    select key from matcher.objects
    where workspace = $1 and key = wanted.key and deleted offset 0) o
"""
_APART: Final = """
select key from matcher.decisions
where workspace = $1 and key = any($2::text[]) and not coalesce((body ->> 'withdrawn')::bool, false)
"""
_TOGETHER: Final = """
select l.key, l.account_id, a.attention::text like '%"review_match|%' as asked
from matcher.links l join matcher.accounts a using (workspace, account_id)
where l.workspace = $1 and l.key = any($2::text[]) and l.closed_version is null
"""


class _Around(NamedTuple):
    """Who is near the profiles that changed."""

    profiles: dict[str, Profile]
    """They and their partners."""
    partners: dict[str, list[str]]
    holders: Mapping[int, tuple[str, ...]]


class Look(NamedTuple):
    """At what is around changed profiles of one side: a call that goes with their storing."""

    side: Side
    put: Collection[Profile]
    gone: Collection[str]
    keys: Mapping[str, Collection[int]]
    """Those of each profile by which its partners are found."""
    call: Call


def looks_for_twins(snapshot: Snapshot) -> list[Look]:
    """What `tell_twins` needs to be looked up once the profiles are stored; often nothing."""
    if not snapshot.workspace.whole_book:
        return []
    sides: tuple[Side, ...] = ("customer", "record")
    looks = []
    for side in sides:
        changed, gone = snapshot.identity.changes(side)
        put = [p for p in changed if side == "customer" or not p.individual]
        if put or gone:
            looks.append(_look(snapshot.workspace.workspace, side, put, gone))
    return looks


def _look(workspace: str, side: Side, put: Collection[Profile], gone: Collection[str]) -> Look:
    keys = {
        profile.id: [key for key, kind in known_keys(side, profile).items() if kind in SEARCHED]
        for profile in put
    }
    names = _name_keys(put)
    moved = {key_in(workspace, local) for local in (*gone, *keys)}
    mixed = salt(workspace, side)
    arguments = (
        workspace,
        side,
        Typed(listed(key ^ mixed for key in sorted(names.union(*keys.values()))), "bigint[]"),
        Typed(listed(key ^ mixed for key in sorted(names)), "bigint[]"),
        FAN_OUT + 1,
        sorted(keys),
        _AT_ONCE,
        DUPLICATE_KIND[side],
        sorted(moved),
    )
    return Look(side, put, gone, keys, Call("twins", arguments))


def _name_keys(profiles: Iterable[Profile]) -> set[int]:
    return {key_of("squash", form.squash) for profile in profiles for form in profile.names}


async def tell_twins(
    conn: asyncpg.Connection, snapshot: Snapshot, looked: Iterable[tuple[Look, Any]]
) -> None:
    """Open and close the items of profiles that this transaction stored or forgot.

    `looked`: each look with the row that its call returned.
    """
    for look, row in looked:
        await _tell(conn, snapshot, look, row)


async def _tell(conn: asyncpg.Connection, snapshot: Snapshot, look: Look, row: Any) -> None:
    name, side, put, kind = (
        snapshot.workspace.workspace,
        look.side,
        look.put,
        DUPLICATE_KIND[look.side],
    )
    around = await _gather(conn, name, look, row)
    found = await _likely(conn, snapshot, side, put, around)
    items = {
        local: [duplicate_item(name, side, one, around.profiles) for one in pairs]
        for local, pairs in found.items()
    }
    held = {str(subject) for subject in row["items"]}
    valid = {item.subject: item for several in items.values() for item in several}
    wanted = _chosen(items, held)
    await close_items(conn, [Item(name, kind, subject) for subject in held - valid.keys()])
    for subject in sorted(wanted):
        item = valid[subject]
        await open_attention(
            conn,
            workspace=name,
            kind=kind,
            subject=subject,
            summary=item.summary,
            details=item.details.model_dump(mode="json"),
        )


def _chosen(items: Mapping[str, list[DuplicateItem]], held: Collection[str]) -> set[str]:
    """What is open and holds; for each that has none its likeliest: five copies, four items."""
    wanted: set[str] = set()
    for _, several in sorted(items.items()):
        known = [item.subject for item in several if item.subject in held]
        if not known and several and wanted.isdisjoint(item.subject for item in several):
            known = [several[0].subject]
        wanted.update(known)
    return wanted


async def _gather(conn: asyncpg.Connection, workspace: str, look: Look, row: Any) -> _Around:
    """Those that share a key which no crowd holds, the nearest first."""
    side, mixed = look.side, salt(workspace, look.side)
    holders = {found["key"] ^ mixed: tuple(found["ids"]) for found in row["postings"]}
    partners = {}
    for local, keys in look.keys.items():
        near = Counter(i for key in keys if len(holders.get(key, ())) <= FAN_OUT
                       for i in holders.get(key, ()) if i != local)  # fmt: skip
        ranked = sorted(near.items(), key=lambda entry: (-entry[1], entry[0]))
        partners[local] = [i for i, _ in ranked[:MOST]]
    named = {i for key in _name_keys(look.put) for i in holders.get(key, ())}
    others = named.union(*partners.values()) - look.keys.keys()
    if row["whole"]:
        loaded = {(side, one["id"]): profile_of(one["profile"]) for one in row["profiles"]}
    else:
        index = PostgresIndex(conn, workspace)
        loaded = await index.profiles((side, i) for i in others)
    profiles = {
        local: profile
        for (_, local), profile in loaded.items()
        if local in others and (side == "customer" or not profile.individual)
    }
    return _Around(profiles | {profile.id: profile for profile in look.put}, partners, holders)


async def _likely(
    conn: asyncpg.Connection,
    snapshot: Snapshot,
    side: Side,
    put: Collection[Profile],
    around: _Around,
) -> dict[str, list[Duplicate]]:
    """Pairs of each changed profile that a person should look at, the likeliest first."""
    table = shipped_pairs().of(side)
    pairs: dict[str, list[Duplicate]] = {}
    for profile in put:
        crowds = Crowds({}, _names(profile, around))
        made = (
            weigh(profile, around.profiles[i], crowds, table)
            for i in around.partners[profile.id]
            if i in around.profiles
        )
        likely = [one for one in made if one.probability >= table.ask_at]
        pairs[profile.id] = sorted(likely, key=lambda one: (-one.score, one.one, one.other))
    found = {(one.one, one.other) for several in pairs.values() for one in several}
    apart = await _settled(conn, snapshot.workspace.workspace, side, found)
    return {
        local: [one for one in several if (one.one, one.other) not in apart]
        for local, several in pairs.items()
    }


def _names(profile: Profile, around: _Around) -> dict[str, int]:
    """How many are called as the profile is; a crowd counts as it is found, cut off."""
    counts = {}
    for form in profile.names:
        ids = around.holders.get(key_of("squash", form.squash), ())
        called = [
            i
            for i in {*ids, profile.id}
            if i in around.profiles
            and any(form.squash == other.squash for other in around.profiles[i].names)
        ]
        counts[form.squash] = len(called)
    return counts


async def _settled(
    conn: asyncpg.Connection, workspace: str, side: Side, pairs: Iterable[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Pairs that nobody is to be asked about: a person called them two, or one is deleted.

    Customers that share an account are a question already, and so is one that waits for a person:
    its whole domain is decided with it.
    """
    places = {pair: (key_in(workspace, pair[0]), key_in(workspace, pair[1])) for pair in pairs}
    if not places:
        return set()
    keys = sorted({key for both in places.values() for key in both})
    out = {row["key"] for row in await conn.fetch(_DELETED, workspace, keys)}
    decisions = {
        pair: [
            _decision(workspace, apart_subject(*both)),
            _decision(workspace, pair_subject(*both)),
        ]
        for pair, both in places.items()
    }
    asked = sorted({key for both in decisions.values() for key in both})
    stood = {row["key"] for row in await conn.fetch(_APART, workspace, asked)}
    accounts: dict[str, str] = {}
    if side == "customer":
        rows = await conn.fetch(_TOGETHER, workspace, keys)
        accounts = {row["key"]: row["account_id"] for row in rows}
        out |= {row["key"] for row in rows if row["asked"]}
    return {
        pair
        for pair, (one, other) in places.items()
        if not out.isdisjoint((one, other))
        or not stood.isdisjoint(decisions[pair])
        or (one in accounts and accounts[one] == accounts.get(other))
    }


def _decision(workspace: str, subject: str) -> str:
    return external_key(workspace, OWN, "decision", subject)
