"""Statements that store of many effects no more than what has changed.

An effect is a wide row: what is desired, where it came from, what was applied. Of a claim or an
answer little of it changes, and a wide column that is not assigned keeps its place on disk.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from writeback.effects import Effect, RecordId, fresh

KEY: Final = Effect._fields[:4]
REST: Final = Effect._fields[4:]
"""All columns but the key."""
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
NOTHING: Final = fresh(RecordId("", "", "", ""), "", _EPOCH)._asdict()
"""Values for the columns that a partial row leaves out."""


def changed_columns(effects: Iterable[Effect], locked: Mapping[RecordId, Effect]) -> list[str]:
    """Columns in which any of these differs from its locked row, in the order of the table."""
    found: set[int] = set()
    for effect in effects:
        before = locked[effect.id]
        found.update(
            place
            for place, (old, new) in enumerate(zip(before, effect, strict=True))
            if old is not new and old != new
        )
    return [Effect._fields[place] for place in sorted(found)]


def row_of(effect: Effect, columns: Iterable[str]) -> dict[str, Any]:
    """The key and these columns."""
    return {name: getattr(effect, name) for name in (*KEY, *columns)}


@lru_cache(maxsize=256)
def statement(columns: tuple[str, ...]) -> str:
    """Replace these columns of the rows in $1; the columns of a row that is new are all of them.

    `on conflict` finds each row by its key, whatever the statistics say of a growing table: an
    update could be planned as a look at all of it. The row is there and locked, so what the insert
    would put into the other columns ($2) is never stored.
    """
    names = ", ".join(Effect._fields)
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns)
    return f"""
        insert into writeback.effects ({names})
        select {names} from jsonb_populate_recordset(
            jsonb_populate_record(null::writeback.effects, $2::jsonb), $1::jsonb
        )
        on conflict ({", ".join(KEY)}) do update set {changes}
    """  # noqa: S608 - names are constants of this module
