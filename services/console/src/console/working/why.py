"""The working of a field, when there is arithmetic behind it."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import asyncpg
from plumbline_schemas.accounts import AccountState

from console.working.mrr import mrr_text
from console.working.paid import paid_text
from console.working.stored import Stored, load

_TEXTS: Final[Mapping[str, Callable[[Stored], Iterator[str]]]] = {
    "mrr": mrr_text,
    "mrr_ending": mrr_text,
    "discount": mrr_text,
    "ltv": paid_text,
}


async def working(db: asyncpg.Connection, state: AccountState, field: str) -> list[str]:
    """Lines for a person; none for a field that says what its object says."""
    text = _TEXTS.get(field)
    if text is None:
        return []
    stored = await load(db, state)
    return [] if stored is None else list(text(stored))
