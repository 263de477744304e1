"""`plumbline identity duplicates`: who is there twice, as items for a person, never merged here."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg
import msgspec
from plumbline_domain.identity.duplicate_items import (
    DUPLICATE_KIND,
    called,
    duplicate_evidence,
    duplicate_subject,
    duplicate_summary,
)
from plumbline_domain.identity.duplicates import (
    Duplicate,
    duplicates,
    one_each,
    shipped_pairs,
)
from plumbline_domain.identity.index import Side
from plumbline_domain.identity.profile import Profile
from plumbline_runtime.attention import Item, close_items, open_attention
from plumbline_schemas.attention_details import DuplicateDetails
from plumbline_schemas.ids import ExternalKey
from plumbline_schemas.outputs import Output
from plumbline_schemas.review_outputs import DuplicatePair, Duplicates, StandingDecision

from console.deciding.run import Desk
from console.deciding.standing import standing
from console.review.domains import common_domain
from console.show import say

_profile: Final = msgspec.json.Decoder(Profile)


@dataclass(frozen=True)
class Found:
    """What a scan of one side of one workspace brought."""

    side: Side
    scanned: int
    pairs: list[DuplicatePair]
    domains: Mapping[str, str | None]
    """Domain of each pair's first customer, or record, by subject."""


async def scan(desk: Desk, *, workspace: str | None, report_only: bool) -> tuple[Output, int]:
    """Scan both sides; open and close items unless `report_only`. 0 also when some were found."""
    found = [
        await _side(desk.db, name, side)
        for name in await workspaces(desk.db, workspace)
        for side in DUPLICATE_KIND
    ]
    opened, closed = (0, 0) if report_only else await _tell(desk.db, workspace, found)
    told = Duplicates(
        records=_ranked(found, "record"),
        customers=_ranked(found, "customer"),
        scanned_records=sum(one.scanned for one in found if one.side == "record"),
        scanned_customers=sum(one.scanned for one in found if one.side == "customer"),
        opened=opened,
        closed=closed,
    )
    return told, 0


async def workspaces(db: asyncpg.Connection, only: str | None) -> list[str]:
    """Every configured workspace, or the one named."""
    rows = await db.fetch(
        """select workspace from matcher.config_view
           where $1::text is null or workspace = $1 order by workspace""",
        only,
    )
    return [row["workspace"] for row in rows]


async def _side(db: asyncpg.Connection, workspace: str, side: Side) -> Found:
    profiles = await _profiles(db, workspace, side)
    stood = [one for one in await standing(db, workspace) if not one.withdrawn]
    made = duplicates(side, list(profiles.values()), shipped_pairs())
    if side == "customer":
        made = [one for one in made if not _kept(workspace, one, stood)]
    kept = one_each(made, _apart(workspace, stood))
    pairs = [_told(workspace, one, profiles) for one in kept]
    domains = {duplicate_subject(pair.keys): _domain(profiles, pair) for pair in pairs}
    return Found(side, len(profiles), pairs, domains)


async def _profiles(db: asyncpg.Connection, workspace: str, side: Side) -> dict[str, Profile]:
    rows = await db.fetch(
        """select p.id, p.profile from matcher.identity_profile_view p
           where p.workspace = $1 and p.side = $2 and not exists (
               select 1 from matcher.known_view k
               where k.workspace = $1 and k.key = $1 || '/' || p.id and k.deleted)
           order by p.id""",
        workspace,
        side,
    )
    return {row["id"]: _profile.decode(row["profile"]) for row in rows}


def _apart(workspace: str, stood: Iterable[StandingDecision]) -> set[frozenset[str]]:
    """Pairs that a person called two, or wants kept apart."""
    return {
        frozenset(_local(workspace, key) for key in (one.customer, one.record, one.other) if key)
        for one in stood
        if one.action in ("not_duplicate", "cannot_link")
    }


def _kept(workspace: str, one: Duplicate, stood: Iterable[StandingDecision]) -> bool:
    """Whether a person said that both share their account rightly."""
    rightly = {
        _local(workspace, decision.customer)
        for decision in stood
        if decision.action == "keep_merged" and decision.customer
    }
    return {one.one, one.other} <= rightly


def _local(workspace: str, key: ExternalKey) -> str:
    return key.removeprefix(f"{workspace}/")


def _told(workspace: str, one: Duplicate, profiles: Mapping[str, Profile]) -> DuplicatePair:
    keys = (ExternalKey(f"{workspace}/{one.one}"), ExternalKey(f"{workspace}/{one.other}"))
    return DuplicatePair(
        workspace=workspace,
        keys=keys,
        names=(called(profiles[one.one]), called(profiles[one.other])),
        probability=one.probability,
        evidence=duplicate_evidence(one),
    )


def _domain(profiles: Mapping[str, Profile], pair: DuplicatePair) -> str | None:
    first = profiles[_local(pair.workspace, pair.keys[0])]
    if first.domains:
        return first.domains[0]
    return common_domain(address.whole for address in first.addresses)


async def _tell(
    db: asyncpg.Connection, workspace: str | None, found: Sequence[Found]
) -> tuple[int, int]:
    """Open an item a pair, and close those whose pair is none any more, in one transaction."""
    wanted = {
        Item(pair.workspace, DUPLICATE_KIND[one.side], duplicate_subject(pair.keys)): (one, pair)
        for one in found
        for pair in one.pairs
    }
    async with db.transaction():
        before = await _open_items(db, workspace)
        for item, (one, pair) in sorted(wanted.items(), key=lambda entry: entry[0]):
            await open_attention(
                db,
                workspace=item.workspace,
                kind=item.kind,
                subject=item.subject,
                summary=duplicate_summary(one.side, pair.keys, pair.names),
                details=_details(pair, one.domains[item.subject]).model_dump(mode="json"),
            )
        gone = before - wanted.keys()
        await close_items(db, gone)
    return len(wanted.keys() - before), len(gone)


async def _open_items(db: asyncpg.Connection, workspace: str | None) -> set[Item]:
    rows = await db.fetch(
        """select workspace, kind, subject from runtime.attention_view
           where status = 'open' and kind = any($1) and ($2::text is null or workspace = $2)""",
        list(DUPLICATE_KIND.values()),
        workspace,
    )
    return {Item(row["workspace"], row["kind"], row["subject"]) for row in rows}


def _details(pair: DuplicatePair, domain: str | None) -> DuplicateDetails:
    return DuplicateDetails(
        keys=pair.keys,
        names=pair.names,
        group=domain,
        probability=pair.probability,
        evidence=pair.evidence,
    )


def _ranked(found: Collection[Found], side: Side) -> list[DuplicatePair]:
    pairs = [pair for one in found if one.side == side for pair in one.pairs]
    return sorted(pairs, key=lambda pair: (-pair.probability, pair.keys))


def print_duplicates(output: Output) -> None:
    """A pair a paragraph, the likeliest first."""
    assert isinstance(output, Duplicates)
    for what, pairs, scanned in (
        ("CRM records", output.records, output.scanned_records),
        ("billing customers", output.customers, output.scanned_customers),
    ):
        say(f"{len(pairs)} pairs of {what} may be one, of {scanned} {what}")
        for pair in pairs:
            names = " and ".join(name or "?" for name in pair.names)
            say(f"  {pair.probability:.0%}  {names}  ({' and '.join(pair.keys)})")
            for piece in pair.evidence:
                say(f"       {'+' if piece.weight > 0 else '-'} {piece.sentence}")
    if output.opened or output.closed:
        say(f"{output.opened} items opened, {output.closed} closed; see `plumbline review list`")
