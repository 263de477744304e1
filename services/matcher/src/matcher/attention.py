"""Attention items of accounts: opened when a doubt shows, closed when it is gone (design 2)."""

from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, cast

from plumbline_schemas.attention import Attention, AttentionKind
from plumbline_schemas.topics import ATTENTION

from matcher.cause import RecordCause
from matcher.documents import HeldItem, StateDocument, value_of
from matcher.outbox import enqueue
from matcher.rows import AccountRow
from matcher.snapshot import Snapshot, kind_of

PATIENCE: Final = timedelta(minutes=5)
"""So long something may be missing before a person hears of it: most of it is read meanwhile."""


class _Wanted(NamedTuple):
    summary: str
    details: dict[str, Any]


def note_incomplete(row: AccountRow, state: StateDocument, now: datetime) -> bool:
    """Remember since when something is missing; True when that changed."""
    missing = state["merged_into"] is None and bool(state["flags"]["incomplete"])
    if missing == (row.incomplete_since is not None):
        return False
    row.incomplete_since = now if missing else None
    return True


def patience_ends(row: AccountRow) -> datetime | None:
    """When an account must be looked at again though nothing happens to it."""
    if row.incomplete_since is None or "incomplete_value" in row.attention:
        return None
    return row.incomplete_since + PATIENCE


def attention_items(
    snapshot: Snapshot, row: AccountRow, state: StateDocument, cause: RecordCause, now: datetime
) -> None:
    """Open, change or close what the new state of an account asks a person to look at."""
    wanted = _wanted(row, state) | _reviews(snapshot, row, state)
    wanted |= _questions(snapshot, row, state)
    ends = patience_ends(row)
    if ends is not None and now < ends:
        wanted.pop("incomplete_value", None)
    for name in sorted({*wanted, *row.attention}):
        asked, held = wanted.get(name), row.attention.get(name)
        if asked is None and held is not None:
            del row.attention[name]
            _enqueue(snapshot, row, name, held, cause, closed=True)
        elif asked is not None:
            since = cause.received_at.isoformat() if held is None else held["opened_at"]
            item: HeldItem = {"summary": asked.summary, "opened_at": since}
            if asked.details:
                item["details"] = asked.details
            if item != held:
                row.attention[name] = item
                _enqueue(snapshot, row, name, item, cause)


def _wanted(row: AccountRow, state: StateDocument) -> dict[str, _Wanted]:
    wanted: dict[str, _Wanted] = {}
    if state["merged_into"] is not None:
        return wanted
    customers = [link["key"] for link in state["links"] if kind_of(link["key"]) == "customer"]
    records = [link["key"] for link in state["links"] if kind_of(link["key"]) != "customer"]
    if state["flags"]["ambiguous"] and not row.candidates and not row.kept_merged:
        details = {
            "account": row.account_id,
            "record": records[0] if records else None,
            "customers": customers,
            "mrr": value_of(state, "mrr"),
        }
        names = ", ".join(key.split("/", 3)[3] for key in customers)
        place = f"CRM record {records[0].split('/', 3)[3]}" if records else "one account"
        summary = f"{len(customers)} Stripe customers share {place}: {names}"
        wanted["ambiguous_match"] = _Wanted(summary, details)
    if state["flags"]["incomplete"]:
        missing = f"missing: {', '.join(state['flags']['incomplete'])}"
        wanted["incomplete_value"] = _Wanted(missing, {})
    return wanted


def _reviews(snapshot: Snapshot, row: AccountRow, state: StateDocument) -> dict[str, _Wanted]:
    """Customers that wait for a person, as they were decided last, with the MRR at stake now."""
    if state["merged_into"] is not None or snapshot.records_of(row.account_id):
        return {}
    doubts = snapshot.findings.doubts.get(row.account_id)
    if doubts is None:
        found = {
            name: _Wanted(item["summary"], item.get("details", {}))
            for name, item in row.attention.items()
            if name.startswith("review_match|")
        }
    else:
        found = {f"review_match|{key}": _Wanted(*doubt) for key, doubt in doubts.items()}
    mrr = value_of(state, "mrr")
    return {name: _Wanted(one.summary, {**one.details, "mrr": mrr}) for name, one in found.items()}


def _questions(snapshot: Snapshot, row: AccountRow, state: StateDocument) -> dict[str, _Wanted]:
    """Links of the account's customers that their news speak against."""
    if state["merged_into"] is not None or not snapshot.records_of(row.account_id):
        return {}
    mrr = value_of(state, "mrr")
    found: dict[str, _Wanted] = {}
    for customer in snapshot.customers_of(row.account_id):
        name = f"questioned_link|{customer}"
        held = row.attention.get(name)
        if customer in snapshot.findings.questions:
            doubt = snapshot.findings.questions[customer]
            told = None if doubt is None else (doubt.summary, doubt.details)
        else:
            told = None if held is None else (held["summary"], held.get("details", {}))
        if told is not None:
            found[name] = _Wanted(told[0], {**told[1], "mrr": mrr})
    return found


def _enqueue(
    snapshot: Snapshot,
    row: AccountRow,
    name: str,
    item: HeldItem,
    cause: RecordCause,
    *,
    closed: bool = False,
) -> None:
    kind, _, subject = name.partition("|")
    told = Attention(
        workspace=snapshot.workspace.workspace,
        kind=cast("AttentionKind", kind),
        subject=subject or row.account_id,
        status="closed" if closed else "open",
        summary=item["summary"],
        opened_at=datetime.fromisoformat(item["opened_at"]),
        changed_at=cause.received_at,
        details=item.get("details", {}),
    )
    enqueue(snapshot, ATTENTION, told.key, told, cause)
