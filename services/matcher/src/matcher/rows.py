"""Rows of the matcher's tables as they live in memory while a batch is decided."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple
from zlib import crc32

from plumbline_domain.identity.weights import Weights, with_thresholds
from plumbline_domain.order import Held
from plumbline_domain.scope import narrows
from plumbline_domain.sighting import Sighting
from plumbline_schemas.accounts import LinkMethod
from plumbline_schemas.ids import AccountId, ExternalKey
from plumbline_schemas.internal import ConnectionScope, WorkspaceConfig
from pydantic import BaseModel

from matcher.documents import HeldItem, LinkDocument, StateDocument

KEPT_VERSION: Final = 3
"""Of what is kept beside objects; rows kept otherwise are made anew from the object's body."""
_ALL: Final = ConnectionScope()


@dataclass(slots=True)
class WorkspaceRow:
    """One workspace's place in its log, its configuration, and its "now"."""

    workspace: str
    sequence: int = 0
    outbox_sequence: int = 0
    now: datetime | None = None
    config_revision: int | None = None
    config: WorkspaceConfig | None = None
    walks: dict[str, int] = field(default_factory=dict)
    """Connection -> revision of its latest completed initial walk."""
    rates: dict[str, int] = field(default_factory=dict)
    """Table of exchange rates -> its newest revision."""
    agencies: dict[str, str] = field(default_factory=dict)
    """Decision -> domain that it says is an agency's."""
    index_basis: str | None = None
    """The rules that the profiles of identity were made by."""
    decided_basis: str | None = None
    """The rules that whoever waits was last decided by."""
    cursor: dict[str, Any] | None = None
    """How far a record with fan-out is folded: its partition, offset and last account."""

    @property
    def whole_book(self) -> bool:
        """Whether the walks of every configured connection are complete (design 6)."""
        if self.config is None:
            return False
        return all(connection.name in self.walks for connection in self.config.connections)

    @property
    def weights(self) -> Weights:
        """The table of weights with the workspace's thresholds."""
        said = None if self.config is None else self.config.identity
        return with_thresholds(
            None if said is None else said.auto_at, None if said is None else said.review_at
        )

    @property
    def personal_domains(self) -> bool:
        """Whether personal domains match."""
        return self.config is not None and self.config.personal_domains == "match"

    @property
    def contacts(self) -> bool:
        """Whether customers that are people go to contacts."""
        return self.config is not None and bool(self.config.fields.get("contact"))

    @property
    def default_record(self) -> str:
        """Where customers go that are neither people nor companies for all that is known."""
        known = self.config.connections if self.config is not None else ()
        return next((one.default_record for one in known if one.default_record), "company")

    def scope(self, connection: str) -> ConnectionScope:
        """What of a billing connection counts."""
        connections = self.config.connections if self.config is not None else ()
        return next((one.scope for one in connections if one.name == connection), _ALL)

    @property
    def kept_version(self) -> int:
        """Of what is kept beside objects: it depends on the scopes of the connections."""
        scopes = [
            (one.name, one.scope.model_dump_json())
            for one in (self.config.connections if self.config is not None else ())
            if narrows(one.scope)
        ]
        return KEPT_VERSION if not scopes else KEPT_VERSION + crc32(repr(scopes).encode()) // 4

    def test_mode(self, connection: str) -> bool:
        """Whether a billing connection is in the vendor's test mode."""
        if self.config is None:
            return False
        known = (*self.config.connections, *self.config.former)
        return next((one.mode for one in known if one.name == connection), None) == "test"

    def set_apart(self, connection: str) -> bool:
        """Whether a billing connection is of test mode beside a live one."""
        return self.config is not None and self.config.set_apart(connection)


@dataclass(slots=True)
class ObjectRow:
    """One vendor object, whole. `needs` are the catalogue objects its meaning depends on."""

    key: ExternalKey
    kind: str
    parent_key: ExternalKey | None
    held: Held
    deleted: bool = False
    typed: tuple[str, BaseModel] | None = None
    """The standing content as a model, with its hash: parsed once, not for each rule."""
    needs: frozenset[ExternalKey] = frozenset()
    sighted: tuple[Held, Sighting | None] | None = None
    """What was held when the standing content's sighting was last worked out, and that."""


class Grounds(NamedTuple):
    """Why a link is there."""

    method: LinkMethod
    evidence: str
    proof: str | None = None
    """Score, probability, pieces and versions as JSON, from which the score can be reproduced."""
    decided_by: str | None = None
    """None: Plumbline."""


class Ruling(NamedTuple):
    """What a person's decision says about one customer, and about whom beside it."""

    customer: ExternalKey
    decision_key: ExternalKey
    action: str
    other: ExternalKey | None
    decided_by: str


@dataclass(slots=True)
class LinkRow:
    """An open link; `opened_version` None until the record that opens it is numbered."""

    key: ExternalKey
    account_id: AccountId
    method: LinkMethod
    evidence: str
    proof: str | None = None
    decided_by: str | None = None
    opened_version: int | None = None
    closed_version: int | None = None

    @property
    def grounds(self) -> Grounds:
        """Why it is there."""
        return Grounds(self.method, self.evidence, self.proof, self.decided_by)

    def published(self, version: int) -> LinkDocument:
        """As the account's state shows it; `version` numbers a link opened by this record."""
        opened = version if self.opened_version is None else self.opened_version
        return {
            "key": self.key,
            "method": self.method,
            "evidence": self.evidence,
            "opened_version": opened,
        }


@dataclass(slots=True)
class AccountRow:
    """One account; `state` None until the record that founds it is numbered."""

    account_id: AccountId
    founder_key: ExternalKey
    founded_sequence: int | None = None
    state: StateDocument | None = None
    due_at: datetime | None = None
    fold_version: int = 0
    had_mrr: bool = False
    last_mrr: int | None = None
    """What MRR was when it was known last; an unknown one keeps counting as that."""
    candidates: tuple[ExternalKey, ...] = ()
    attention: dict[str, HeldItem] = field(default_factory=dict)
    """Open items: by kind, those of a customer by `{kind}|{customer's key}`."""
    kept_merged: bool = False
    """A person said that its customers share it rightly."""
    incomplete_since: datetime | None = None
    """By the ticks; None while nothing is missing."""
    merged_into: AccountId | None = None
    baselines: dict[str, dict[str, str]] = field(default_factory=dict)
    """As the state shows them; those of a merged-away account go to the survivor."""

    @property
    def age(self) -> tuple[int, str]:
        """Sorts accounts, the one founded first first; a new one is the youngest."""
        unnumbered = 2**62
        founded = unnumbered if self.founded_sequence is None else self.founded_sequence
        return (founded, self.account_id)


@dataclass(slots=True)
class ChangeRow:
    """One row of the ledger."""

    sequence: int
    account_id: AccountId
    effective_at: datetime
    cause: dict[str, Any]
    before: dict[str, Any]
    after: dict[str, Any]
    movement: str | None
    mrr_before: int | None
    mrr_after: int | None
    events: list[dict[str, Any]]
    config_revision: int | None


@dataclass(slots=True)
class OutboxRow:
    """A message that is no part of an account: a wanted read, an attention item, a decision."""

    position: int
    topic: str
    key: str
    value: dict[str, Any]
    occurred_at: datetime


@dataclass(slots=True)
class DecisionRow:
    """The newest decision on one subject."""

    key: ExternalKey
    revision: int
    body: dict[str, Any]
