"""The key index of identity in PostgreSQL: one table of keys, one of profiles, both sides in each.

Drives the same questions as the index in memory (`plumbline_domain.identity.index.asking`), so
both decide bit for bit alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
import msgspec
from plumbline_domain.identity.index import (
    LookUp,
    Neighbourhood,
    Posting,
    Side,
    asking,
    keys_of,
)
from plumbline_domain.identity.keys import FAN_OUT
from plumbline_domain.identity.profile import Profile
from plumbline_domain.identity.text import NORM_VERSION

TABLES: Final = """
create table matcher.identity_profiles (
    workspace text not null,
    side text not null check (side in ('customer', 'record')),
    id text collate "C" not null,
    norm_version int not null,
    profile bytea not null,
    primary key (workspace, side, id)
);
create table matcher.identity_keys (
    workspace text not null,
    side text not null check (side in ('customer', 'record')),
    key bigint not null,
    id text collate "C" not null,
    primary key (workspace, side, key, id)
);
create index identity_keys_by_id on matcher.identity_keys (workspace, side, id);
"""

_profile = msgspec.json.Decoder(Profile)


@dataclass(frozen=True, slots=True)
class PostgresIndex:
    """The index of one workspace on one connection, inside its transaction."""

    conn: asyncpg.Connection
    workspace: str

    async def put(self, side: Side, profiles: Sequence[Profile]) -> None:
        """Add profiles, or replace those of the same id."""
        unique = {profile.id: profile for profile in profiles}
        ids = sorted(unique)
        if not ids:
            return
        await self.remove(side, ids)
        await self.conn.execute(
            """insert into matcher.identity_profiles (workspace, side, id, norm_version, profile)
               select $1, $2, id, $3, profile
               from unnest($4::text[], $5::bytea[]) as fresh (id, profile)""",
            self.workspace,
            side,
            NORM_VERSION,
            ids,
            [msgspec.json.encode(unique[i]) for i in ids],
        )
        rows = sorted((key, i) for i in ids for key in keys_of(side, unique[i]))
        await self.conn.execute(
            """insert into matcher.identity_keys (workspace, side, key, id)
               select $1, $2, key, id from unnest($3::bigint[], $4::text[]) as f (key, id)""",
            self.workspace,
            side,
            [key for key, _ in rows],
            [i for _, i in rows],
        )

    async def remove(self, side: Side, ids: Sequence[str]) -> None:
        """Forget profiles; unknown ids are nothing to forget."""
        for table in ("identity_keys", "identity_profiles"):
            await self.conn.execute(
                f"""delete from matcher.{table}
                    where workspace = $1 and side = $2 and id = any($3::text[])""",  # noqa: S608
                self.workspace,
                side,
                sorted(ids),
            )

    async def look_up(self, side: Side, keys: Sequence[int]) -> Mapping[int, Posting]:
        """Who on `side` holds `keys`; one round trip."""
        rows = await self.conn.fetch(
            """select k.key, array(
                   select m.id from matcher.identity_keys m
                   where m.workspace = $1 and m.side = $2 and m.key = k.key
                   order by m.id limit $4) as ids
               from unnest($3::bigint[]) as k (key)""",
            self.workspace,
            side,
            list(keys),
            FAN_OUT + 1,
        )
        return {row["key"]: Posting(tuple(row["ids"])) for row in rows if row["ids"]}

    async def profiles(self, side: Side, ids: Sequence[str]) -> Mapping[str, Profile]:
        """The known ones of `ids`; one round trip."""
        rows = await self.conn.fetch(
            """select id, profile from matcher.identity_profiles
               where workspace = $1 and side = $2 and id = any($3::text[])""",
            self.workspace,
            side,
            list(ids),
        )
        return {row["id"]: _profile.decode(row["profile"]) for row in rows}

    async def gather(self, customers: Sequence[Profile]) -> Neighbourhood:
        """All that decisions about `customers` may look at; four round trips, however many."""
        questions = asking(customers)
        question = next(questions)
        while True:
            answer: Mapping[Any, Any]
            if isinstance(question, LookUp):
                answer = await self.look_up(question.side, question.keys)
            else:
                answer = await self.profiles(question.side, question.ids)
            try:
                question = questions.send(answer)
            except StopIteration as done:
                found: Neighbourhood = done.value
                return found
