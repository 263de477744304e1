"""An account's state as JSON has it: what is stored, compared and published, without models.

The contract is `plumbline_schemas.accounts.AccountState`; a test holds every document the matcher
makes against it. Models would cost more than all the rules together: ten fields with provenance
are parsed, compared and written for each change.
"""

from collections.abc import Mapping
from datetime import date
from fractions import Fraction
from typing import Any, Final, Literal, NamedTuple, NotRequired, TypedDict

from plumbline_domain.originals import Original, Originals
from plumbline_domain.rollup import MemberShare
from plumbline_domain.valued import FieldDocument
from plumbline_schemas.accounts import ChangeCause, Stage, State
from plumbline_schemas.ids import ExternalKey


class LinkDocument(TypedDict):
    """A `Link`."""

    key: str
    method: str
    evidence: str
    opened_version: int


class ShareDocument(TypedDict):
    """A `CustomerShare`."""

    customer: str
    mode: str
    counted: bool
    mrr: dict[str, str | int] | None
    plan: str | None
    payment_status: str
    state: State


class StepDocument(TypedDict):
    """An `MrrStep`."""

    at: str
    mrr: dict[str, str]


class OriginalDocument(TypedDict):
    """An `OriginalMrr`."""

    mrr: str
    rate: str | None
    day: str | None


class HeldItem(TypedDict):
    """An open item of attention, as its account holds it."""

    summary: str
    opened_at: str
    details: NotRequired[dict[str, Any]]


class Doubt(NamedTuple):
    """What a person is asked about a customer."""

    summary: str
    details: dict[str, Any]


Doubts = dict[ExternalKey, Doubt]
"""By customer; empty: nothing is to be asked."""


class WantedDocument(TypedDict):
    """A `WantedRecord`."""

    kind: Literal["company", "contact"]
    name: str
    domain: str | None
    email: str | None
    lock: str
    customers: list[str]
    by: Literal["policy", "person"]


class FlagsDocument(TypedDict):
    """`Flags`."""

    ambiguous: bool
    incomplete: list[str]
    links_truncated: bool


class StateDocument(TypedDict):
    """An `AccountState`: every key, in the contract's order; instants as text in UTC."""

    id: str
    workspace: str
    version: int
    links: list[LinkDocument]
    state: State
    stage: Stage
    fields: dict[str, FieldDocument]
    flags: FlagsDocument
    due_at: str | None
    merged_into: str | None
    baselines: dict[str, dict[str, str]]
    trails: dict[str, list[StepDocument]]
    announced: dict[str, str]
    originals: dict[str, OriginalDocument]
    wanted_record: WantedDocument | None
    shares: list[ShareDocument]
    effective_at: str | None
    cause: ChangeCause | None
    received_at: str | None


def no_flags() -> FlagsDocument:
    """Nothing to know before trusting the values."""
    return {"ambiguous": False, "incomplete": [], "links_truncated": False}


def value_of(state: StateDocument | None, name: str) -> object:
    """A field's value; None when it is unknown or there is none."""
    field = None if state is None else state["fields"].get(name)
    return None if field is None else field["value"]


def announced_in(state: StateDocument) -> dict[str, str]:
    """What an account has announced; nothing in a state of before there were reminders."""
    stored: dict[str, str] = dict(state).get("announced") or {}  # type: ignore[assignment]
    return stored


NOT_TOLD: Final[Mapping[str, Any]] = {
    "originals": {},
    "shares": [],
    "trails": {},
    "wanted_record": None,
}
"""What a state means that was stored before it told of this."""


def originals_in(state: StateDocument | None) -> Originals:
    """Amounts in other currencies when the MRR was known last."""
    stored: Mapping[str, OriginalDocument] = (
        {} if state is None else dict(state).get("originals", {})  # type: ignore[assignment]
    )
    return {
        code: Original(
            Fraction(one["mrr"]),
            None if one["rate"] is None else Fraction(one["rate"]),
            None if one["day"] is None else date.fromisoformat(one["day"]),
        )
        for code, one in stored.items()
    }


def originals_document(found: Originals) -> dict[str, OriginalDocument]:
    """Amounts in other currencies as JSON has them."""
    return {
        code: {
            "mrr": str(one.mrr),
            "rate": None if one.rate is None else str(one.rate),
            "day": None if one.day is None else one.day.isoformat(),
        }
        for code, one in found.items()
    }


def share_document(share: MemberShare) -> ShareDocument:
    """A customer's share as JSON has it."""
    mrr = share.mrr
    return {
        "customer": share.customer,
        "mode": "test" if share.test_mode else "live",
        "counted": share.counted,
        "mrr": None if mrr is None else {"minor": mrr.minor, "currency": mrr.currency},
        "plan": share.plan,
        "payment_status": share.payment_status,
        "state": share.state,
    }
