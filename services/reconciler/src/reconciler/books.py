"""A vendor's book as the walker sees it: kinds of objects, pages of rows, rows as observations."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

import asyncpg
from plumbline_connectors.configured import (
    hubspot_check,
    hubspot_client,
    hubspot_context,
    stripe_check,
    stripe_client,
    stripe_context,
)
from plumbline_connectors.hubspot.client import HubSpotClient
from plumbline_connectors.hubspot.translate import (
    HubSpotContext,
    properties_to_read,
    translate_record,
)
from plumbline_connectors.stripe.client import StripeClient
from plumbline_connectors.stripe.reading import Untranslatable
from plumbline_connectors.stripe.translate import StripeContext, translate_object
from plumbline_runtime.budget import Budget
from plumbline_runtime.circuit import AccountCheck
from plumbline_runtime.config import StripeConnection, Workspace
from plumbline_runtime.tokens import TokenStore
from plumbline_schemas.observations import AnyObservation

from reconciler.walks import STRIPE_KINDS

_CUSTOMERS: Final = "place, tax ids"
_RECORDS: Final = "place"
"""What is kept of them, as far as it was added later: a new word has all of them read again."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A row that could not become an observation, or a list that the vendor did not give."""

    kind: str
    vendor_id: str | None
    """None: the whole list."""
    reason: str


@dataclass(frozen=True, slots=True)
class BookPage:
    """One page, translated."""

    observations: tuple[AnyObservation, ...]
    problems: tuple[Problem, ...]
    next_cursor: str | None


class Book(Protocol):
    """A connection's book."""

    @property
    def kinds(self) -> Sequence[str]:
        """Kinds in the order they are walked."""

    @property
    def asked(self) -> Mapping[str, str]:
        """What is asked of kinds, in a word: another one than before has the kind read again."""

    async def page(self, kind: str, cursor: str | None) -> BookPage:
        """Read and translate one page; raises the errors of plumbline_schemas.errors."""


class StripeBook:
    """The catalogue, the customers and what they were billed, of one Stripe account."""

    kinds: Sequence[str] = STRIPE_KINDS
    asked: Mapping[str, str] = {"customer": _CUSTOMERS}

    def __init__(self, client: StripeClient, context: StripeContext) -> None:
        self._client = client
        self._context = context

    async def page(self, kind: str, cursor: str | None) -> BookPage:
        """Rows count as seen when the read began (design 5)."""
        page = await self._client.page(kind, starting_after=cursor)
        received_at = datetime.now(UTC)
        observations: list[AnyObservation] = []
        problems: list[Problem] = []
        if page.refused is not None:
            problems.append(Problem(kind, None, page.refused))
        for row in page.rows:
            try:
                observation = translate_object(
                    row,
                    self._context,
                    seen="walk",
                    origin="walk",
                    vendor_time_ms=int(page.began_at.timestamp() * 1000),
                    received_at=received_at,
                )
            except Untranslatable as problem:
                problems.append(Problem(kind, str(row.get("id", "?")), str(problem)))
                continue
            if observation is not None:
                observations.append(observation)
        return BookPage(tuple(observations), tuple(problems), page.next_cursor)

    async def now(self) -> datetime:
        """The vendor's clock."""
        return await self._client.now()


class HubSpotBook:
    """Companies, and contacts where the workspace maps fields onto them."""

    def __init__(self, client: HubSpotClient, context: HubSpotContext) -> None:
        self._client = client
        self._context = context
        self.kinds: Sequence[str] = (
            ("company", "contact") if context.mapping.get("contact") else ("company",)
        )
        taxes = context.tax_id_property
        self.asked: Mapping[str, str] = {
            kind: f"{_RECORDS} {taxes}" if kind == "company" and taxes else _RECORDS
            for kind in self.kinds
        }

    async def page(self, kind: str, cursor: str | None) -> BookPage:
        """Records carry their own version (`updatedAt`)."""
        page = await self._client.page(
            kind, after=cursor, properties=properties_to_read(kind, self._context)
        )
        received_at = datetime.now(UTC)
        observations: list[AnyObservation] = []
        problems: list[Problem] = []
        for row in page.rows:
            try:
                observations.append(
                    translate_record(
                        kind,
                        row,
                        self._context,
                        seen="walk",
                        origin="walk",
                        received_at=received_at,
                    )
                )
            except ValueError as problem:
                problems.append(Problem(kind, _id(row), str(problem)))
        return BookPage(tuple(observations), tuple(problems), page.next_cursor)


def _id(row: Mapping[str, Any]) -> str:
    return str(row.get("id", "?"))


class OpenBook(NamedTuple):
    """A book, and what makes who asks whose it is, one for every role."""

    book: Book
    account: Callable[[], AccountCheck]
    close: Callable[[], Awaitable[None]]


def open_book(workspace: Workspace, name: str, pool: "asyncpg.Pool", budget: Budget) -> OpenBook:
    """The book of the workspace's connection `name`, and its budget."""
    acquire = partial(budget.acquire, "walk")
    connection = workspace.connections[name]
    if isinstance(connection, StripeConnection):
        stripe = stripe_client(workspace.id, connection)
        return OpenBook(
            StripeBook(stripe, stripe_context(workspace.id, connection)),
            partial(stripe_check, workspace.id, connection, stripe, acquire),
            stripe.aclose,
        )
    mapping = {str(kind): properties for kind, properties in workspace.fields.items()}
    shelf = TokenStore.of(pool, workspace.id, connection)
    hubspot = hubspot_client(workspace.id, connection, shelf=shelf, told=budget.told)
    context = hubspot_context(
        workspace.id,
        connection,
        mapping,
        tax_id_property=workspace.policies.identity.tax_id_property,
    )
    return OpenBook(
        HubSpotBook(hubspot, context),
        partial(hubspot_check, workspace.id, connection, hubspot, acquire, shelf),
        hubspot.aclose,
    )
