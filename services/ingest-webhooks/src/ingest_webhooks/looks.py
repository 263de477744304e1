"""Looking at vendor objects: what is found becomes observations, all in the vendor's batches."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol

import structlog
from plumbline_connectors.hubspot.client import HubSpotClient
from plumbline_connectors.hubspot.translate import (
    HubSpotContext,
    properties_to_read,
    translate_record,
)
from plumbline_connectors.stripe.client import StripeClient
from plumbline_connectors.stripe.translate import StripeContext, translate_object
from plumbline_runtime.budget import Purpose
from plumbline_schemas.errors import (
    MissingScopes,
    Permanent,
    Retryable,
    Unauthorized,
    VendorError,
)
from plumbline_schemas.observations import (
    AnyObservation,
    CompanyObservation,
    ContactObservation,
    Origin,
)

from ingest_webhooks.deliveries import epoch_ms
from ingest_webhooks.store import DueRead

log = structlog.get_logger()

_CRM_OBSERVATIONS: Final[Mapping[str, type[CompanyObservation] | type[ContactObservation]]] = {
    "company": CompanyObservation,
    "contact": ContactObservation,
}


class ReadBudget(Protocol):
    """The connection's share of the vendor's limit."""

    async def acquire(self, purpose: Purpose, cost: int = 1) -> None:
        """Wait until a call may be made."""

    async def throttled(self, retry_after: float | None, *, daily: bool = False) -> None:
        """The vendor said: too many."""


@dataclass
class Looks:
    """What became of a batch of reads."""

    observations: list[AnyObservation] = field(default_factory=list)
    done: list[DueRead] = field(default_factory=list)
    failed: list[tuple[DueRead, VendorError | ValueError]] = field(default_factory=list)
    """With a ValueError when the vendor's object cannot be said in our words."""
    refused: Unauthorized | None = None
    """The vendor refuses our credentials; reads that met it are in neither list. A missing scope
    is its kind's: those reads have failed."""


class Look(Protocol):
    """Looks at objects of one connection."""

    async def look(self, reads: Sequence[DueRead]) -> Looks:
        """Look at all of them; vendor errors are part of the result."""


async def _note(
    budget: ReadBudget, looks: Looks, reads: Sequence[DueRead], error: VendorError
) -> None:
    if isinstance(error, Unauthorized) and not isinstance(error, MissingScopes):
        looks.refused = error
        return
    if isinstance(error, Retryable) and error.rate_limited:
        await budget.throttled(error.retry_after, daily=error.daily)
    looks.failed.extend((read, error) for read in reads)


class StripeLook:
    """One GET for each object, a few at once (Stripe has no batch read)."""

    def __init__(
        self,
        client: StripeClient,
        context: StripeContext,
        budget: ReadBudget,
        *,
        concurrency: int,
    ) -> None:
        self._client = client
        self._context = context
        self._budget = budget
        self._slots = asyncio.Semaphore(concurrency)

    async def look(self, reads: Sequence[DueRead]) -> Looks:
        """Look at all of them; vendor errors are part of the result."""
        looks = Looks()
        tasks = [asyncio.ensure_future(self._one(read, looks)) for read in reads]
        try:
            # A task group would wrap an error of the database, which the reader waits out.
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
        return looks

    async def _one(self, read: DueRead, looks: Looks) -> None:
        async with self._slots:
            if looks.refused is not None:
                return
            await self._budget.acquire("read")
            try:
                result = await self._client.read(read.kind, read.vendor_id)
                observation = self._translate(read, result.obj, result.began_at)
            except VendorError as error:
                await _note(self._budget, looks, [read], error)
                return
            except ValueError as error:
                looks.failed.append((read, error))
                return
        looks.done.append(read)
        if observation is None:
            # A deleted customer still answers with a stub; for the rest absence is no fact.
            log.info("read_found_nothing", kind=read.kind, id=read.vendor_id)
        else:
            looks.observations.append(observation)

    def _translate(
        self, read: DueRead, obj: dict[str, Any] | None, began_at: datetime
    ) -> AnyObservation | None:
        if obj is None:
            return None
        return translate_object(
            obj,
            self._context,
            seen="read",
            origin=read.origin,
            vendor_time_ms=epoch_ms(began_at),
            received_at=read.received_at,
        )


class HubSpotLook:
    """One batch read per kind; what a batch does not find is confirmed by a direct read."""

    def __init__(self, client: HubSpotClient, context: HubSpotContext, budget: ReadBudget) -> None:
        self._client = client
        self._context = context
        self._budget = budget

    async def look(self, reads: Sequence[DueRead]) -> Looks:
        """Look at all of them; vendor errors are part of the result."""
        looks = Looks()
        by_kind: defaultdict[str, list[DueRead]] = defaultdict(list)
        for read in reads:
            by_kind[read.kind].append(read)
        for kind, rows in sorted(by_kind.items()):
            if kind not in _CRM_OBSERVATIONS:
                # Wanted when the connection's name stood for another vendor.
                unknown = ValueError(f"HubSpot has no {kind}")
                looks.failed.extend((read, unknown) for read in rows)
            elif looks.refused is None:
                await self._batch(kind, rows, looks)
        return looks

    async def _batch(self, kind: str, reads: Sequence[DueRead], looks: Looks) -> None:
        properties = properties_to_read(kind, self._context)
        await self._budget.acquire("read")
        try:
            batch = await self._client.batch_read(
                kind, [read.vendor_id for read in reads], properties
            )
        except Permanent as error:
            if len(reads) == 1:
                await _note(self._budget, looks, reads, error)
                return
            # One bad row fails the whole batch: each is asked for alone.
            for read in reads:
                await self._direct(kind, read, properties, looks)
            return
        except VendorError as error:
            await _note(self._budget, looks, reads, error)
            return
        found = [read for read in reads if read.vendor_id in batch.found]
        self._take(kind, found, batch.found, batch.began_at, looks)
        for read in reads:
            if read.vendor_id not in batch.found:
                await self._direct(kind, read, properties, looks)

    async def _direct(self, kind: str, read: DueRead, properties: list[str], looks: Looks) -> None:
        if looks.refused is not None:
            return
        await self._budget.acquire("read")
        try:
            result = await self._client.read(kind, read.vendor_id, properties)
        except VendorError as error:
            await _note(self._budget, looks, [read], error)
            return
        if result.obj is not None:
            self._take(kind, [read], {read.vendor_id: result.obj}, result.began_at, looks)
            return
        looks.observations.append(
            _CRM_OBSERVATIONS[kind](
                workspace=self._context.workspace,
                connection=self._context.connection,
                id=read.vendor_id,
                vendor_time_ms=epoch_ms(result.began_at),
                seen="read",
                origin=read.origin,
                received_at=read.received_at,
                deleted=True,
            )
        )
        looks.done.append(read)

    def _take(
        self,
        kind: str,
        reads: Sequence[DueRead],
        found: Mapping[str, dict[str, Any]],
        began_at: datetime,
        looks: Looks,
    ) -> None:
        """Translate each record once, though several merged ids may have led to it."""
        asked: defaultdict[str, list[DueRead]] = defaultdict(list)
        for read in reads:
            asked[str(found[read.vendor_id].get("id") or read.vendor_id)].append(read)
        for record_id, askers in asked.items():
            record = found[askers[0].vendor_id]
            try:
                observation = self._observe(kind, record, askers, began_at)
            except ValueError as error:
                looks.failed.extend((read, error) for read in askers)
                continue
            merged = [read.vendor_id for read in askers if read.vendor_id != record_id]
            looks.observations.append(with_merged_ids(observation, merged))
            looks.done.extend(askers)

    def _observe(
        self,
        kind: str,
        record: dict[str, Any],
        askers: Sequence[DueRead],
        began_at: datetime,
    ) -> AnyObservation:
        origins: set[Origin] = {read.origin for read in askers}
        return translate_record(
            kind,
            record,
            self._context,
            seen="read",
            origin="webhook" if "webhook" in origins else askers[0].origin,
            received_at=min(read.received_at for read in askers),
            began_at=began_at,
        )


def with_merged_ids(observation: AnyObservation, merged: Sequence[str]) -> AnyObservation:
    """Add the ids that led to another record: the vendor's own list may be missing (vendors 2.9).

    Links to a merged record follow these ids.
    """
    if not merged or not isinstance(observation, CompanyObservation | ContactObservation):
        return observation
    if observation.body is None:
        return observation
    ids = tuple(dict.fromkeys((*observation.body.merged_ids, *merged)))
    body = observation.body.model_copy(update={"merged_ids": ids})
    return observation.model_copy(update={"body": body})
