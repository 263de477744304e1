"""The part of the database that a run of records can touch, in memory, and what they changed."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from plumbline_domain.book import PriceBook
from plumbline_domain.policies import Policy
from plumbline_domain.rates import NO_RATES, Rates
from plumbline_schemas.ids import AccountId, ExternalKey

from matcher.book import Book
from matcher.cause import RecordCause
from matcher.documents import Doubt, Doubts, WantedDocument
from matcher.identity_view import IdentityView
from matcher.kept import Kept
from matcher.rows import (
    AccountRow,
    ChangeRow,
    DecisionRow,
    Grounds,
    LinkRow,
    ObjectRow,
    OutboxRow,
    WorkspaceRow,
)
from matcher.ruled import Rulings


@lru_cache(maxsize=20_000)
def kind_of(key: str) -> str:
    """The kind of an external key."""
    return key.split("/", 3)[2]


class Question(NamedTuple):
    """A read that is wanted, or, without `cause`, one that came; and what the object holds now."""

    key: ExternalKey
    basis: str
    cause: RecordCause | None


@dataclass(frozen=True, slots=True)
class Terms:
    """What the configuration and the exchange rates say of every share."""

    name: str
    """Equal for equal configurations."""
    rates: str
    """Names the exchange rates."""
    currency: str
    """Reported, lower case; empty while there is no configuration."""
    policy: Policy | None
    """None: without configuration, or a policy that this version does not know."""


@dataclass(slots=True)
class Findings:
    """What one record makes identity ask a person."""

    doubts: dict[AccountId, Doubts] = field(default_factory=dict)
    """Of accounts that were decided and not linked."""
    wishes: dict[AccountId, WantedDocument | None] = field(default_factory=dict)
    """The CRM records that accounts of those are to get."""
    lost: dict[AccountId, ExternalKey] = field(default_factory=dict)
    """CRM records that were deleted under accounts."""
    questions: dict[ExternalKey, Doubt | None] = field(default_factory=dict)
    """Of customers whose news were held against their links; None: they agree."""


@dataclass(slots=True)
class Catalogue:
    """Objects that others depend on, as far as they are kept from one batch to the next."""

    shelved: Mapping[ExternalKey, ObjectRow | None] = field(default_factory=dict)
    """As the last commit left them; None: nothing is stored of one."""
    needed: set[ExternalKey] = field(default_factory=set)
    """Those that were asked for."""


def view_for(workspace: WorkspaceRow) -> IdentityView:
    """Identity by the workspace's settings and what its people said."""
    return IdentityView(
        whole_book=workspace.whole_book,
        weights=workspace.weights,
        agencies=workspace.agencies.values(),
    )


class Snapshot:
    """Loaded rows of one workspace; deciding mutates them and notes what must be stored."""

    def __init__(self, workspace: WorkspaceRow, rates: Rates = NO_RATES) -> None:
        self.workspace = workspace
        self.rates = rates
        self.objects: dict[ExternalKey, ObjectRow] = {}
        self.accounts: dict[AccountId, AccountRow] = {}
        self.decisions: dict[ExternalKey, DecisionRow] = {}
        self.books: dict[ExternalKey | None, Book] = {}
        """What hangs on each billing customer, as far as its account is concerned."""
        self._links: dict[ExternalKey, LinkRow] = {}
        self._links_of: dict[AccountId, set[ExternalKey]] = defaultdict(set)
        self.identity = view_for(workspace)
        self.rulings = Rulings()
        self.accounts_known: set[AccountId] = set()
        """Accounts that are here, if they exist."""
        self.links_known: set[ExternalKey] = set()
        """Keys whose open links are here, if they have any."""
        self.unlinked: set[ExternalKey] = set()
        """Keys whose links turned out to be needed: nothing decided without them counts."""
        self.findings = Findings()
        self.complete: set[ExternalKey] = set()
        """Customers whose books are complete: from memory, or once they are loaded."""
        self.changed_objects: set[ExternalKey] = set()
        self.changed_kept: dict[ExternalKey, ExternalKey | None] = {}
        """Objects of which something else is kept now, and their customers."""
        # What was kept of the objects that the record under way has changed.
        self.replaced: dict[ExternalKey, Kept] = {}
        self.catalogue_moved: set[ExternalKey] = set()
        """Catalogue objects that changed: no share that depends on one of them holds."""
        self.unloaded: set[ExternalKey] = set()
        """Objects that turned out to be needed whole: nothing decided without them counts."""
        self.catalogue = Catalogue()
        self._looked_up: set[ExternalKey] = set()  # objects that are here, or not stored at all
        self.terms: Terms | None = None  # worked out once
        self.fresh_needs: set[ExternalKey] = set()
        """Objects whose needs were worked out from what they hold now."""
        self.price_books: dict[str, PriceBook] = {}
        """The catalogue of each connection, looked up here."""
        self.lacking: set[ExternalKey] = set()
        """Objects that would tell what the fold under way lacks."""
        self.own_lacking: set[ExternalKey] = set()
        """Those that lack something of their own, which only a read of a later second can tell."""
        self.questions: list[Question] = []
        self.asked: dict[ExternalKey, str] = {}
        """What objects held when a read of them was asked for or answered."""
        self.changed_accounts: set[AccountId] = set()
        self.changed_decisions: set[ExternalKey] = set()
        self.changed_links: dict[tuple[ExternalKey, int], LinkRow] = {}
        self._closing: list[LinkRow] = []
        self.changes: list[ChangeRow] = []
        self.outbox: list[OutboxRow] = []

    def next_record(self) -> None:
        """What was found of accounts by the record before stands in them."""
        self.findings = Findings()

    # loading

    def looked_up(self, keys: Iterable[ExternalKey]) -> None:
        """Note that what is stored of these is here, or nothing is stored of them."""
        self._looked_up.update(keys)

    def unseen(self, keys: Iterable[ExternalKey]) -> set[ExternalKey]:
        """Those of which nothing is here yet; what lies on the shelf of them is taken from it."""
        missing = set(keys) - self._looked_up
        known = missing & self.catalogue.shelved.keys()
        for key in known:
            row = self.catalogue.shelved[key]
            if row is not None:
                self.objects[key] = row
        self._looked_up |= known
        return missing - known

    def look_up(self, keys: AbstractSet[ExternalKey]) -> None:
        """Say which objects a decision depends on; it counts only once they were looked up."""
        if not keys <= self._looked_up:
            self.unloaded |= keys - self._looked_up

    def load_object(self, row: ObjectRow) -> None:
        """Put a whole object in."""
        self.objects[row.key] = row
        self._looked_up.add(row.key)

    def load_kept(self, kept: Kept) -> None:
        """Put what is kept beside an object into its customer's book."""
        self.book(kept.parent_key).put(kept)

    def load_link(self, link: LinkRow) -> None:
        """Put an open link in."""
        self._links[link.key] = link
        self._links_of[link.account_id].add(link.key)

    # asking

    def book(self, customer: ExternalKey | None) -> Book:
        """What hangs on a billing customer; None: on nobody known."""
        found = self.books.get(customer)
        if found is None:
            found = self.books[customer] = Book()
        return found

    def gone(self, key: ExternalKey) -> bool:
        """Whether an object that was looked up here is known to be deleted."""
        row = self.objects.get(key)
        return row is not None and row.deleted

    def link(self, key: ExternalKey) -> LinkRow | None:
        """The open link of an external key."""
        return self._links.get(key)

    def links_of(self, account: AccountId) -> list[LinkRow]:
        """Open links of an account, by key."""
        return [self._links[key] for key in sorted(self._links_of[account])]

    def customers_of(self, account: AccountId) -> list[ExternalKey]:
        """Billing customers of an account, by key."""
        return [link.key for link in self.links_of(account) if kind_of(link.key) == "customer"]

    def records_of(self, account: AccountId) -> list[ExternalKey]:
        """CRM records of an account, by key."""
        return [link.key for link in self.links_of(account) if kind_of(link.key) != "customer"]

    def has_record(self, customer: ExternalKey) -> bool:
        """Whether the account of a customer has a CRM record."""
        link = self._links.get(customer)
        return link is not None and bool(self.records_of(link.account_id))

    @property
    def lacks(self) -> bool:
        """Whether something was decided without what it depends on: nothing decided counts."""
        missing = self.unloaded or self.unlinked or self.identity.unasked
        return bool(missing or self.identity.unsought)

    # changing

    def open_link(self, key: ExternalKey, account: AccountId, grounds: Grounds) -> None:
        """Open a link; it gets its version when the account's change is numbered."""
        self.load_link(LinkRow(key, account, *grounds))

    def close_link(self, key: ExternalKey) -> LinkRow:
        """Close an open link; one opened by the same record leaves no trace."""
        link = self._links.pop(key)
        self._links_of[link.account_id].discard(key)
        if link.opened_version is not None:
            self._closing.append(link)
        return link

    def number_links(self, account: AccountId, version: int) -> None:
        """Give the links that this record opened or closed on an account its version."""
        for key in self._links_of[account]:
            link = self._links[key]
            if link.opened_version is None:
                link.opened_version = version
                self.changed_links[(key, version)] = link
        for link in [link for link in self._closing if link.account_id == account]:
            self._closing.remove(link)
            link.closed_version = version
            if link.opened_version is not None:
                self.changed_links[(link.key, link.opened_version)] = link
