"""What speaks for and against one company behind several customers that share a record."""

from collections.abc import Collection, Sequence
from itertools import combinations
from typing import Final

import asyncpg
import msgspec
from plumbline_domain.identity.duplicates import (
    Duplicate,
    crowds,
    duplicate_sentence,
    shipped_pairs,
    weigh,
)
from plumbline_domain.identity.profile import Profile
from plumbline_schemas.attention_details import Evidence
from plumbline_schemas.review_outputs import ReviewItem

_profile: Final = msgspec.json.Decoder(Profile)


async def with_evidence(db: asyncpg.Connection, items: Sequence[ReviewItem]) -> list[ReviewItem]:
    """The items; those about customers that share a record with the evidence of their pair.

    Of several customers the two that are least likely one: that is what the question is about.
    """
    told = []
    for item in items:
        if item.kind != "ambiguous_match" or len(item.customers) < 2:
            told.append(item)
            continue
        told.append(_weighed(item, await _profiles(db, item)))
    return told


async def _profiles(db: asyncpg.Connection, item: ReviewItem) -> list[Profile]:
    rows = await db.fetch(
        """select profile from matcher.identity_profile_view
           where workspace = $1 and side = 'customer' and id = any($2) order by id""",
        item.workspace,
        [key.split("/", 1)[1] for key in item.customers],
    )
    return [_profile.decode(row["profile"]) for row in rows]


def _weighed(item: ReviewItem, profiles: Collection[Profile]) -> ReviewItem:
    found = least_alike(list(profiles))
    if found is None:
        return item
    evidence = tuple(
        Evidence(code=piece.code, sentence=duplicate_sentence(piece), weight=piece.weight / 1000)
        for piece in found.evidence
        if piece.weight
    )
    return item.model_copy(update={"probability": found.probability, "evidence": evidence})


def least_alike(profiles: Sequence[Profile]) -> Duplicate | None:
    """The pair with the least that speaks for one company; None for fewer than two."""
    around, table = crowds("customer", profiles), shipped_pairs().customer
    pairs = [weigh(one, other, around, table) for one, other in combinations(profiles, 2)]
    return min(pairs, key=lambda pair: (pair.score, pair.one, pair.other), default=None)
