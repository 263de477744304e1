"""`plumbline accounts history ID`: every change of an account, from its ledger rows."""

from collections.abc import Iterator
from typing import Any, Final
from zoneinfo import ZoneInfo

import asyncpg
from plumbline_schemas.events import Cause
from plumbline_schemas.ledger_outputs import AccountChange, AccountHistory, FieldChange
from plumbline_schemas.money import Money
from plumbline_schemas.outputs import Output

from console.ledger.amounts import shown
from console.ledger.causes import because
from console.ledger.reading import find_account, workspace_of
from console.show import say

_FIELD: Final = "fields."
FORMER_RATES: Final = "mrr_at_former_rates"
"""How far the movement itself went, where exchange rates moved the rest."""


async def account_history(db: asyncpg.Connection, wanted: str) -> tuple[AccountHistory, int]:
    """The answer, and 0; raises NotFound. A merged-away account has its history, too."""
    workspace, account = await find_account(db, wanted)
    rows = await db.fetch(
        """select * from matcher.change_view where workspace = $1 and account_id = $2
           order by sequence""",
        workspace,
        account,
    )
    _, zone = await workspace_of(db, workspace)
    changes = [_change(row) for row in rows]
    history = AccountHistory(
        workspace=workspace, timezone=zone.key, account=account, changes=changes
    )
    return history, 0


def _change(row: asyncpg.Record) -> AccountChange:
    before, after = row["before"], row["after"]
    return AccountChange(
        version=row["sequence"],
        effective_at=row["effective_at"],
        recorded_at=row["recorded_at"],
        movement=row["movement"],
        mrr_before=_money(before.get("fields.mrr")),
        mrr_after=_money(after.get("fields.mrr")),
        cause=Cause.model_validate(row["cause"]),
        rule_version=row["rule_version"],
        config_revision=row["config_revision"],
        changed=list(_changed(before, after)),
        events=[event["type"] for event in row["events"]],
    )


def _money(field: Any) -> Money | None:
    value = field.get("value") if isinstance(field, dict) else None
    return Money.model_validate(value) if isinstance(value, dict) else None


def _changed(before: dict[str, Any], after: dict[str, Any]) -> Iterator[FieldChange]:
    """What is new first where it is seen first: fields, then the rest, by name."""
    names = {*before, *after}
    for name in sorted(names, key=lambda name: (not name.startswith(_FIELD), name)):
        was, now = before.get(name), after.get(name)
        if not name.startswith(_FIELD):
            yield FieldChange(field=name, before=was, after=now, rule=None)
            continue
        old, new = was or {}, now or {}
        yield FieldChange(
            field=name.removeprefix(_FIELD),
            before=old.get("value"),
            after=new.get("value"),
            rule=new.get("rule"),
        )


def print_history(output: Output) -> None:
    """A block a change, oldest first; values that only changed their provenance are left out."""
    assert isinstance(output, AccountHistory)
    zone = ZoneInfo(output.timezone)
    count = len(output.changes)
    say(
        f"{output.account} of {output.workspace}: {count} change{'s' if count != 1 else ''} "
        f"(times in {output.timezone})"
    )
    for change in output.changes:
        at = change.effective_at.astimezone(zone)
        say("")
        say(f"{at:%Y-%m-%d %H:%M:%S}  version {change.version}  {_movement(change)}".rstrip())
        for line in _told(change):
            say(f"    {line}")
        told = f"rules {change.rule_version}, configuration {change.config_revision or 'unknown'}"
        say(f"    because of {because(change.cause)} ({told})")


def _movement(change: AccountChange) -> str:
    before, after = change.mrr_before, change.mrr_after
    words = (change.movement or "").replace("_", " ")
    known = after or before
    if change.movement is None or known is None:
        return words
    if before is not None and after is not None and before.currency != after.currency:
        return words
    was, now = (0 if money is None else money.minor for money in (before, after))
    split = _at_former_rates(change)
    if split is None:
        return f"{words} {_signed(now - was, known)}"
    return f"{words} {_signed(split - was, known)}, fx {_signed(now - split, known)}"


def _signed(minor: int, known: Money) -> str:
    return shown(Money(minor=minor, currency=known.currency), signed=True)


def _at_former_rates(change: AccountChange) -> int | None:
    found = (one.after for one in change.changed if one.field == FORMER_RATES)
    return next((int(one["minor"]) for one in found if isinstance(one, dict)), None)


def _told(change: AccountChange) -> Iterator[str]:
    fields = {one.field for one in change.changed if one.rule is not None}
    for one in change.changed:
        if one.field == "links":
            yield from _links(one)
        elif one.field == "flags":
            yield from _flags(one)
        elif one.rule is None and one.field in fields:
            continue  # state and stage stand beside the fields and among them
        elif one.before != one.after:
            yield _moved(one.field, one.before, one.after)


def _moved(name: str, before: Any, after: Any) -> str:
    return (
        f"{name}: {_value(after)}"
        if before is None
        else f"{name}: {_value(before)} -> {_value(after)}"
    )


def _links(one: FieldChange) -> Iterator[str]:
    had = {link["key"]: link for link in one.before or ()}
    has = {link["key"]: link for link in one.after or ()}
    for key in sorted(has.keys() - had.keys()):
        yield f"linked {key} ({has[key]['method']})"
    for key in sorted(had.keys() - has.keys()):
        yield f"unlinked {key}"


def _flags(one: FieldChange) -> Iterator[str]:
    was, now = one.before or {}, one.after or {}
    for name in sorted({*was, *now}):
        if (was.get(name) or None) != (now.get(name) or None):
            yield _moved(name, was.get(name) or None, now.get(name) or None)


def _value(value: Any) -> str:
    if isinstance(value, dict) and value.keys() == {"minor", "currency"}:
        return shown(Money.model_validate(value))
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "unknown" if value is None else str(value)
