"""`plumbline links unlink|cannot-link`: decisions about a pair, without an item that asked."""

from datetime import UTC, datetime

from plumbline_schemas.ids import ExternalKey, split_key
from plumbline_schemas.internal import Decision
from plumbline_schemas.outputs import Output

from console.deciding.known import find_customer, find_record, linked
from console.deciding.run import Desk, Refused
from console.review.act import settle


async def unlink(
    desk: Desk, text: str, record: str | None, *, by: str, wait: float
) -> tuple[Output, int]:
    """A customer leaves the record its account is linked to, and is not linked to it again."""
    now = datetime.now(UTC)
    customer = await find_customer(desk.db, None, text)
    account, records = (await linked(desk.db, [customer])).get(customer, (None, []))
    if account is None or not records:
        raise Refused(f"{customer} is linked to no CRM record")
    companies = [key for key in records if split_key(key).kind == "company"] or records
    found = companies if record is None else [key for key in records if _is(record, key)]
    if len(found) != 1:
        raise Refused(
            f"{customer} is linked to {', '.join(records)}; --from says which link is wrong"
        )
    return await _settled(desk, "unlink", customer, found[0], by=by, now=now, wait=wait)


async def cannot_link(
    desk: Desk, text: str, other: str, *, by: str, wait: float
) -> tuple[Output, int]:
    """A customer is never linked to a record, or never shares an account with a customer."""
    now = datetime.now(UTC)
    customer = await find_customer(desk.db, None, text)
    workspace = split_key(customer).workspace
    try:
        second = await find_record(desk.db, workspace, other)
    except Refused:
        second = await find_customer(desk.db, workspace, other)
    if second == customer:
        raise Refused(f"{customer} cannot be kept apart from itself")
    return await _settled(desk, "cannot_link", customer, second, by=by, now=now, wait=wait)


async def _settled(
    desk: Desk,
    action: str,
    customer: ExternalKey,
    record: ExternalKey,
    *,
    by: str,
    now: datetime,
    wait: float,
) -> tuple[Output, int]:
    decision = Decision.model_validate(
        {
            "action": action,
            "customer": customer,
            "record": record,
            "decided_by": by,
            "decided_at": now,
        }
    )
    told = await settle(desk, [decision], [], now, wait)
    return told, 0 if told.folded else 1


def _is(text: str, key: ExternalKey) -> bool:
    return text in (key, split_key(key).vendor_id)
