"""An account's state as JSON has it: what is stored, compared and published, without models.

The contract is `plumbline_schemas.accounts.AccountState`; a test holds every document the matcher
makes against it. Models would cost more than all the rules together: ten fields with provenance
are parsed, compared and written for each change.
"""

from typing import Any, NamedTuple, NotRequired, TypedDict

from plumbline_domain.valued import FieldDocument
from plumbline_schemas.accounts import ChangeCause, Stage, State
from plumbline_schemas.ids import ExternalKey


class LinkDocument(TypedDict):
    """A `Link`."""

    key: str
    method: str
    evidence: str
    opened_version: int


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
    announced: dict[str, str]
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
