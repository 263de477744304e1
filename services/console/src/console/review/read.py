"""`plumbline review list|show`: what is open, and one item with all that is known about it."""

from datetime import UTC, datetime

from plumbline_schemas.ids import ExternalKey
from plumbline_schemas.outputs import Output
from plumbline_schemas.review_outputs import ReviewItem, ReviewShown

from console.deciding.known import known
from console.deciding.run import Desk
from console.deciding.standing import standing
from console.review.items import find, grouped, open_items
from console.review.shared import with_evidence


async def listed(
    desk: Desk, *, kind: str | None, group: str | None, workspace: str | None
) -> tuple[Output, int]:
    """Open items by domain, the most MRR at stake first."""
    found = await with_evidence(desk.db, await open_items(desk.db, datetime.now(UTC)))
    return grouped(
        one
        for one in found
        if kind in {None, one.kind}
        and group in {None, one.group}
        and workspace in {None, one.workspace}
    ), 0


async def shown(desk: Desk, text: str) -> tuple[Output, int]:
    """One item; raises NotFound."""
    found = find(await open_items(desk.db, datetime.now(UTC)), text)
    [item] = await with_evidence(desk.db, [found])
    parties = await known(desk.db, parties_of(item))
    customers = [one for one in (item.customer, *item.customers) if one]
    return ReviewShown(
        item=item,
        known=parties,
        decisions=await standing(desk.db, item.workspace, customers or item.keys),
    ), 0


def parties_of(item: ReviewItem) -> list[ExternalKey]:
    """Keys of the customers, then of the records, that an item is about."""
    customers = [one for one in (item.customer, *item.customers) if one]
    records = [one.record for one in item.candidates] + ([item.record] if item.record else [])
    return [*customers, *records, *item.keys]
