"""refresh: the matcher and others ask for a look at an object (`refresh.requests.v1`)."""

from collections.abc import Callable
from datetime import UTC, datetime

import asyncpg
from plumbline_runtime.postgres import transaction
from plumbline_runtime.records import Batch, Record
from plumbline_schemas.ids import split_key
from plumbline_schemas.observations import BILLING_KINDS, CRM_KINDS
from plumbline_schemas.outcomes import RefreshRequest
from pydantic import ValidationError

from ingest_webhooks import store
from ingest_webhooks.consume import DeadLetterSink
from ingest_webhooks.deliveries import plain_id
from ingest_webhooks.handle import Dead, HubSpotSource, Sources
from ingest_webhooks.store import ReadWish, storable


def understand_request(record: Record, sources: Sources) -> ReadWish | Dead:
    """Turn a request into a wanted read; whatever is wrong with it becomes a Dead."""
    try:
        request = RefreshRequest.model_validate_json(record.value or b"")
        key = split_key(request.key)
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, one["loc"])) or one["type"] for one in error.errors())
        return Dead(record, "invalid", f"not a refresh request: {fields}")
    except ValueError as error:
        return Dead(record, "invalid", str(error))
    label = f"{key.workspace}/{key.connection}"
    source = sources.get((key.workspace, key.connection))
    if source is None:
        return Dead(record, "unknown_connection", f"no connection {label} is configured", label)
    readable = CRM_KINDS if isinstance(source, HubSpotSource) else BILLING_KINDS
    if key.kind not in readable:
        error_text = f"{label} cannot read {key.kind!r}, expected one of {sorted(readable)}"
        return Dead(record, "unknown_kind", error_text, label)
    if plain_id(key.vendor_id) is None:
        return Dead(record, "invalid", f"not a vendor id: {key.vendor_id!r}", label)
    requested_at = _utc(request.requested_at)
    not_before = None if request.not_before is None else _utc(request.not_before)
    return ReadWish(
        *key, storable(request.reason), "reconcile", requested_at, requested_at, not_before
    )


def _utc(moment: datetime) -> datetime:
    """A time without zone is UTC, as everywhere."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


class RefreshHandler:
    """Handles batches of `refresh.requests.v1`."""

    def __init__(
        self,
        sources: Sources,
        *,
        pool: asyncpg.Pool,
        dead_letters: DeadLetterSink,
        wake_readers: Callable[[], None],
    ) -> None:
        self._sources = sources
        self._pool = pool
        self._dead_letters = dead_letters
        self._wake_readers = wake_readers

    async def handle(self, batch: Batch) -> None:
        """Queue the reads and move the position in one transaction."""
        understood = [understand_request(record, self._sources) for record in batch.records]
        dead = [one for one in understood if isinstance(one, Dead)]
        wishes = [one for one in understood if isinstance(one, ReadWish)]
        for one in dead:
            await self._dead_letters.send(
                one.record,
                batch.topic,
                reason=one.reason,
                error=one.error,
                connection=one.source,
            )

        async def apply(conn: asyncpg.Connection) -> None:
            await store.want(conn, wishes)
            await batch.advance(conn)

        await transaction(self._pool, apply)
        if wishes:
            self._wake_readers()
        batch.counts.update(reads=len(wishes), dead_letters=len(dead))
