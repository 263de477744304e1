"""Attention items of accounts: opened when a doubt shows, closed when it is gone (design 2)."""

from datetime import datetime, timedelta
from typing import Final

from plumbline_schemas.attention import Attention, AttentionKind
from plumbline_schemas.topics import ATTENTION

from matcher.cause import RecordCause
from matcher.documents import StateDocument
from matcher.outbox import enqueue
from matcher.rows import AccountRow
from matcher.snapshot import Snapshot, kind_of

PATIENCE: Final = timedelta(minutes=5)
"""So long something may be missing before a person hears of it: most of it is read meanwhile."""


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
    wanted = _wanted(row, state)
    ends = patience_ends(row)
    if ends is not None and now < ends:
        wanted.pop("incomplete_value", None)
    for kind in ("ambiguous_match", "incomplete_value"):
        summary, held = wanted.get(kind), row.attention.get(kind)
        if summary is None and held is not None:
            del row.attention[kind]
            opened_at = datetime.fromisoformat(held["opened_at"])
            item = _item(snapshot, row, kind, held["summary"], opened_at=opened_at)
            _enqueue(snapshot, item.model_copy(update={"status": "closed"}), cause)
        elif summary is not None and (held is None or held["summary"] != summary):
            since = cause.received_at.isoformat() if held is None else held["opened_at"]
            row.attention[kind] = {"summary": summary, "opened_at": since}
            opened_at = datetime.fromisoformat(since)
            item = _item(snapshot, row, kind, summary, opened_at=opened_at)
            _enqueue(snapshot, item, cause)


def _wanted(row: AccountRow, state: StateDocument) -> dict[AttentionKind, str]:
    wanted: dict[AttentionKind, str] = {}
    if state["merged_into"] is not None:
        return wanted
    if row.candidates:
        names = ", ".join(row.candidates)
        wanted["ambiguous_match"] = f"several CRM records fit, none was linked: {names}"
    elif state["flags"]["ambiguous"]:
        customers = [link["key"] for link in state["links"] if kind_of(link["key"]) == "customer"]
        wanted["ambiguous_match"] = f"several Stripe customers share it: {', '.join(customers)}"
    if state["flags"]["incomplete"]:
        wanted["incomplete_value"] = f"missing: {', '.join(state['flags']['incomplete'])}"
    return wanted


def _item(
    snapshot: Snapshot, row: AccountRow, kind: AttentionKind, summary: str, *, opened_at: datetime
) -> Attention:
    return Attention(
        workspace=snapshot.workspace.workspace,
        kind=kind,
        subject=row.account_id,
        status="open",
        summary=summary,
        opened_at=opened_at,
        changed_at=opened_at,
    )


def _enqueue(snapshot: Snapshot, item: Attention, cause: RecordCause) -> None:
    changed = item.model_copy(update={"changed_at": cause.received_at})
    enqueue(snapshot, ATTENTION, changed.key, changed, cause)
