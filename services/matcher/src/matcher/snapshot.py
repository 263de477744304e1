"""The part of the database that a run of records can touch, in memory, and what they changed."""

from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from plumbline_domain.book import PriceBook
from plumbline_domain.identity.exact import MatchKey
from plumbline_domain.policies import Policy
from plumbline_domain.rates import NO_RATES, Rates
from plumbline_schemas.accounts import LinkMethod
from plumbline_schemas.ids import AccountId, ExternalKey

from matcher.book import Book
from matcher.cause import RecordCause
from matcher.kept import Kept
from matcher.rows import (
    AccountRow,
    ChangeRow,
    DecisionRow,
    LinkRow,
    ObjectRow,
    OutboxRow,
    WorkspaceRow,
)

Side = Literal["billing", "crm"]


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
        self._holders: dict[Side, dict[MatchKey, set[ExternalKey]]] = {
            "billing": defaultdict(set),
            "crm": defaultdict(set),
        }
        self._keys_of: dict[ExternalKey, frozenset[MatchKey]] = {}
        self.complete: set[ExternalKey] = set()
        """Customers whose books are complete: from memory, or once they are loaded."""
        self.changed_objects: set[ExternalKey] = set()
        self.changed_kept: dict[ExternalKey, ExternalKey | None] = {}
        """Objects of which something else is kept now, and their customers."""
        self.replaced: dict[ExternalKey, Kept] = {}
        """What was kept of the objects that the record under way has changed."""
        self.catalogue_moved: set[ExternalKey] = set()
        """Catalogue objects that changed: no share that depends on one of them holds."""
        self.unloaded: set[ExternalKey] = set()
        """Objects that turned out to be needed whole: nothing decided without them counts."""
        self._looked_up: set[ExternalKey] = set()
        """Objects that are here, or not stored at all."""
        self.terms: Terms | None = None
        """Worked out once."""
        self.fresh_needs: set[ExternalKey] = set()
        """Objects whose needs were worked out from what they hold now."""
        self.price_books: dict[str, PriceBook] = {}
        """The catalogue of each connection, looked up here."""
        self.lacking: set[ExternalKey] = set()
        """Objects that would tell what the fold under way lacks."""
        self.questions: list[Question] = []
        self.asked: dict[ExternalKey, str] = {}
        """What objects held when a read of them was asked for or answered."""
        self.changed_accounts: set[AccountId] = set()
        self.changed_keys: set[ExternalKey] = set()
        self.changed_decisions: set[ExternalKey] = set()
        self.changed_links: dict[tuple[ExternalKey, int], LinkRow] = {}
        self._closing: list[LinkRow] = []
        self.changes: list[ChangeRow] = []
        self.outbox: list[OutboxRow] = []

    # loading

    def looked_up(self, keys: Iterable[ExternalKey]) -> None:
        """Note that what is stored of these is here, or nothing is stored of them."""
        self._looked_up.update(keys)

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

    def load_key(self, side: Side, match_key: MatchKey, owner: ExternalKey) -> None:
        """Put a match key in; `owner` may have others that are not loaded."""
        self._holders[side][match_key].add(owner)

    def load_keys_of(self, owner: ExternalKey, keys: frozenset[MatchKey]) -> None:
        """Put all match keys of one owner in."""
        side = side_of(owner)
        for match_key in keys:
            self._holders[side][match_key].add(owner)
        self._keys_of[owner] = keys

    # asking

    def book(self, customer: ExternalKey | None) -> Book:
        """What hangs on a billing customer; None: on nobody known."""
        found = self.books.get(customer)
        if found is None:
            found = self.books[customer] = Book()
        return found

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
        return [link.key for link in self.links_of(account) if side_of(link.key) == "crm"]

    def keys_of(self, owner: ExternalKey) -> frozenset[MatchKey]:
        """Match keys of a customer or record."""
        return self._keys_of.get(owner, frozenset())

    def holders(self, side: Side, match_keys: Iterable[MatchKey]) -> set[ExternalKey]:
        """Who on one side holds any of the keys."""
        return {owner for key in match_keys for owner in self._holders[side].get(key, ())}

    # changing

    def set_keys(self, owner: ExternalKey, keys: frozenset[MatchKey]) -> None:
        """Replace the match keys of one owner."""
        side = side_of(owner)
        before = self.keys_of(owner)
        if before == keys:
            return
        for gone in before - keys:
            self._holders[side][gone].discard(owner)
        for match_key in keys - before:
            self._holders[side][match_key].add(owner)
        self._keys_of[owner] = keys
        self.changed_keys.add(owner)

    def open_link(
        self, key: ExternalKey, account: AccountId, method: LinkMethod, evidence: str
    ) -> None:
        """Open a link; it gets its version when the account's change is numbered."""
        self.load_link(LinkRow(key, account, method, evidence))

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


def side_of(key: str) -> Side:
    """Which side of a match an external key stands on."""
    return "billing" if kind_of(key) == "customer" else "crm"
