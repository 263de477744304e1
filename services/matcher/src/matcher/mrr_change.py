"""What one record did to an account's MRR: how it moved, and what of that exchange rates did."""

from dataclasses import dataclass
from typing import Any

from plumbline_domain.account import FoldedAccount
from plumbline_domain.movements import Change, movement
from plumbline_domain.originals import at_former_rates
from plumbline_schemas.events import Movement

from matcher.cause import RecordCause
from matcher.documents import StateDocument, originals_in, value_of
from matcher.planned import Planned, planned_by
from matcher.rows import AccountRow
from matcher.snapshot import Snapshot, kind_of


@dataclass(frozen=True, slots=True)
class MrrChange:
    """What a record did to an account's MRR."""

    before: int | None
    after: int | None
    named: Movement | None
    planned: Planned | None = None
    at_former_rates: dict[str, Any] | None = None
    """Money: how far the named movement went; the rest is fx. None: it is all one movement."""

    @property
    def movement(self) -> Movement | None:
        """The ledger row's own; a planned cancellation is that only where no MRR moved."""
        if self.named is not None or self.planned is None:
            return self.named
        return self.planned.movement

    def told_beside(self) -> dict[str, Any]:
        """What else the ledger row says of it: a second movement."""
        found: dict[str, Any] = {}
        if self.at_former_rates is not None:
            found["mrr_at_former_rates"] = self.at_former_rates
        if self.named is not None and self.planned is not None:
            found["planned_movement"] = self.planned.movement
        return found


def mrr_change(
    snapshot: Snapshot,
    row: AccountRow,
    state: StateDocument,
    cause: RecordCause,
    folded: FoldedAccount | None,
) -> MrrChange:
    """From what the account's MRR was when it was known last; `folded` None: it is merged away."""
    before, after = row.last_mrr, _minor(state)
    if state["merged_into"] is not None:
        after = 0
    moved_customers = state["merged_into"] is not None or _customers_moved(row.state, state)
    opening = not snapshot.workspace.whole_book or cause.origin in {"walk", "reconcile"}
    kind = "link" if moved_customers else cause.kind
    incomplete = row.state is None or bool(row.state["flags"]["incomplete"])
    if kind == "rates" and (incomplete or before is None):
        kind = "rules"  # a rate that first tells an amount moved none
    former = None if kind == "rates" else _at_former_rates(row.state, state, folded)
    named = movement(
        Change(
            before,
            after,
            kind,
            paid_before=row.had_mrr,
            opening=opening,
            at_former_rates=former,
        )
    )
    news = kind == "customer" and not opening
    planned = planned_by(snapshot, state, cause) if news else None
    split = None if former is None or former in {before or 0, after} else former
    return MrrChange(before, after, named, planned, at_former_rates=_money(split, state))


def _minor(state: StateDocument | None) -> int | None:
    value = value_of(state, "mrr")
    return value["minor"] if isinstance(value, dict) else None


def _currency(state: StateDocument | None) -> str | None:
    value = value_of(state, "mrr")
    return value["currency"] if isinstance(value, dict) else None


def _money(minor: int | None, state: StateDocument) -> dict[str, Any] | None:
    return None if minor is None else {"minor": minor, "currency": _currency(state)}


def _at_former_rates(
    before: StateDocument | None, after: StateDocument, folded: FoldedAccount | None
) -> int | None:
    """The MRR as the rates of the account's last fold have it; None: they are the same."""
    currency = _currency(after)
    if folded is None or folded.exact is None or currency is None:
        return None
    if _currency(before) != currency:
        return None  # the workspace reports in another currency now
    return at_former_rates(folded.exact, folded.originals, originals_in(before), currency)


def _customers_moved(before: StateDocument | None, after: StateDocument) -> bool:
    return before is not None and _customer_keys(before) != _customer_keys(after)


def _customer_keys(state: StateDocument) -> set[str]:
    return {link["key"] for link in state["links"] if kind_of(link["key"]) == "customer"}
