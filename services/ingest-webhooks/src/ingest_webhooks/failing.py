"""Reads that keep failing: a person is told, and they are tried on, for ever (design 2)."""

from collections.abc import Iterable
from typing import Final

from plumbline_runtime.attention import close_attention, open_attention

from ingest_webhooks.store import Connection, DueRead, Failure

TOLD_AFTER: Final = 10
"""Tries before a person is told."""


async def tell_of_reads(
    conn: Connection,
    workspace: str,
    connection: str,
    done: Iterable[DueRead],
    failures: Iterable[Failure],
) -> None:
    """Open and close attention in the transaction that records what became of the reads."""
    healed = [_subject(connection, one) for one in done if one.attempts >= TOLD_AFTER]
    failing = {_subject(connection, one): one for one in failures if one.attempts >= TOLD_AFTER}
    for subject in sorted({*healed, *failing}):
        failure = failing.get(subject)
        if failure is None:
            await close_attention(conn, workspace=workspace, kind="failed_read", subject=subject)
            continue
        await open_attention(
            conn,
            workspace=workspace,
            kind="failed_read",
            subject=subject,
            summary=f"{workspace}/{subject} cannot be read, it is tried on: {failure.error}",
            details={"connection": connection, "kind": failure.kind, "id": failure.vendor_id},
        )


def _subject(connection: str, read: DueRead | Failure) -> str:
    return f"{connection}/{read.kind}/{read.vendor_id}"
