"""Leave out repeated and older observations before anything else is loaded for them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import asyncpg
from plumbline_domain.order import Glance, Held, Rules, fold, rules_for
from plumbline_schemas.ids import ExternalKey
from plumbline_schemas.observations import AnyObservation, DecisionObservation

from matcher.around import FEW, load_around, load_sighted
from matcher.needs import tax_ids_key
from matcher.snapshot import Snapshot
from matcher.stored import glance_of
from matcher.told import Part, is_news, parts_of


class News(NamedTuple):
    """An observation that changes what is held of its object, or of another one."""

    observation: AnyObservation
    glance: Glance | None
    """None for a decision, which has no object."""


_PARTIES: Final = frozenset({"customer", "company", "contact"})
_UNLESS_NEWER: Final = """
    newer, kind, parent_key, vendor_time_ms, deleted, needs,
    case when not newer then body::text end as body,
    case when not newer then held::text end as held,
    case when not newer and facts_version = $3 then facts::text end as facts
"""


async def news_among(
    conn: asyncpg.Connection, snapshot: Snapshot, observations: Sequence[AnyObservation]
) -> list[News]:
    """Observations that change something; the others need no more than a look at their time."""
    parts = [parts_of(one) for one in observations]
    newest = _newest(observations, parts)
    if 0 < len(newest) <= FEW:
        keys, moving = _around(observations)
        newer = await load_around(conn, snapshot, keys, newest, identity=moving)
    else:
        newer = await load_unless_newer(conn, snapshot, newest)
    held: dict[ExternalKey, Held] = {key: row.held for key, row in snapshot.objects.items()}
    found = []
    for observation, told in zip(observations, parts, strict=True):
        if isinstance(observation, DecisionObservation):
            found.append(News(observation, None))
        elif observation.key in newer:
            if told and is_news(held, told):
                found.append(News(observation, glance_of(observation)))
        else:
            glance, rules = glance_of(observation), rules_for(observation.kind)
            if is_news(held, told) | _changes(held, observation.key, glance, rules):
                found.append(News(observation, glance))
    return found


def _newest(
    observations: Iterable[AnyObservation], parts: Iterable[Iterable[Part]]
) -> dict[ExternalKey, int | None]:
    """For each object the newest time that is told of it; None where its age alone says nothing."""
    newest: dict[ExternalKey, int | None] = {}
    for one in observations:
        if isinstance(one, DecisionObservation):
            continue
        key, at = one.key, one.vendor_time_ms
        if one.deleted or not rules_for(one.kind).deletion_is_final:
            newest[key] = None
        elif key not in newest or ((known := newest[key]) is not None and at > known):
            newest[key] = at
        if one.kind == "customer":
            newest[tax_ids_key(key)] = None
    return newest | {part.key: None for told in parts for part in told}


def _around(observations: Iterable[AnyObservation]) -> tuple[set[ExternalKey], bool]:
    """Customers and CRM records that observations are about, and whether identity may move."""
    keys: set[ExternalKey] = set()
    moving = False
    for one in observations:
        if one.parent_key is not None:
            keys.add(one.parent_key)
        if one.kind in _PARTIES:
            keys.add(one.key)
            moving = True
    return keys, moving


def _changes(held: dict[ExternalKey, Held], key: ExternalKey, glance: Glance, rules: Rules) -> bool:
    """Whether what is held of an object changes; it is updated."""
    folded = fold(held.get(key), glance, rules)
    held[key] = folded.held
    return folded.changed


async def load_unless_newer(
    conn: asyncpg.Connection, snapshot: Snapshot, newest: Mapping[ExternalKey, int | None]
) -> set[ExternalKey]:
    """Put whole objects into the snapshot, but for those that are held at a newer vendor time.

    Of these the keys are returned: older sights of them, that are no deletions, change nothing.
    """
    if not newest:
        return set()
    rows = await conn.fetch(
        f"""select o.* from unnest($2::text[], $4::bigint[]) as wanted (key, newest)
            cross join lateral (
                select key, {_UNLESS_NEWER}
                from (select *, coalesce(content_hash is not null
                                         and vendor_time_ms > wanted.newest, false) as newer
                      from matcher.objects
                      where workspace = $1 and key = wanted.key offset 0) stored) o""",  # noqa: S608
        snapshot.workspace.workspace,
        list(newest),
        snapshot.workspace.kept_version,
        list(newest.values()),
    )
    return load_sighted(snapshot, rows, newest)
