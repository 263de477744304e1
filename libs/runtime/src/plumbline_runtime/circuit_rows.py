"""The rows of circuits: who has opened one, why, and who may probe when."""

from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from plumbline_schemas.attention import AttentionKind

from plumbline_runtime.attention import close_attention, open_attention

Reason = Literal["credentials", "wrong_account"]

Key = tuple[str, str]
"""Workspace and connection."""

Connection = Any
"""An asyncpg pool or connection with the codecs of `plumbline_runtime.postgres`."""

_KINDS: Final[dict[str, AttentionKind]] = {
    "credentials": "connection_refused",
    "wrong_account": "wrong_account",
}
_WORDS: Final = {"credentials": "refuses our credentials", "wrong_account": "is another account"}
_STATE: Final = """
select state, reason, detail, role, openings, opened_at
from connection.circuits where workspace = $1 and connection = $2
"""
_CREATE: Final = """
insert into connection.circuits (workspace, connection) values ($1, $2)
on conflict (workspace, connection) do nothing
"""
_CLAIM: Final = """
update connection.circuits set next_probe_at = clock_timestamp() + make_interval(secs => $4)
where workspace = $1 and connection = $2 and state = 'open' and role in ('', $3)
  and next_probe_at <= clock_timestamp()
returning role
"""
_LATER: Final = """
update connection.circuits set next_probe_at = clock_timestamp() + make_interval(secs => $3)
where workspace = $1 and connection = $2 and state = 'open'
"""
_AGAIN: Final = """
update connection.circuits
set next_probe_at = clock_timestamp() + make_interval(secs => $3), role = $4
where workspace = $1 and connection = $2
"""
_OPEN: Final = """
update connection.circuits
set state = 'open', reason = $3, detail = $4, role = $5, openings = openings + 1,
    opened_at = clock_timestamp(),
    next_probe_at = clock_timestamp() + make_interval(secs => $6)
where workspace = $1 and connection = $2 returning opened_at
"""
_CLOSE: Final = """
update connection.circuits set state = 'closed', role = '', openings = openings + 1
where workspace = $1 and connection = $2 and state = 'open' returning reason
"""


class Opened(NamedTuple):
    """An open circuit."""

    reason: Reason
    detail: str
    since: datetime


class CircuitRow(NamedTuple):
    """What the row says; `openings` moves with every opening and closing."""

    opened: Opened | None
    openings: int


async def load(conn: Connection, key: Key) -> CircuitRow:
    """The row as it is now; no row is a circuit that was never open."""
    row = await conn.fetchrow(_STATE, *key)
    if row is None:
        return CircuitRow(None, 0)
    opened = None
    if row["state"] == "open":
        opened = Opened(row["reason"], row["detail"], row["opened_at"])
    return CircuitRow(opened, row["openings"])


async def claim(conn: Connection, key: Key, role: str, seconds: float) -> str | None:
    """Become the only prober for so long: the role that has to prove itself ("" for none), or None
    when it isn't time or another's turn."""
    found: str | None = await conn.fetchval(_CLAIM, *key, role, seconds)
    return found


async def release(conn: Connection, key: Key, seconds: float) -> None:
    """The probe failed: the next may be made then."""
    await conn.execute(_LATER, *key, seconds)


async def store_opening(
    conn: Connection, key: Key, reason: Reason, detail: str, *, role: str, seen_by: str,
    retry_seconds: float,
) -> Opened | None:  # fmt: skip
    """Open it, with attention, in the caller's transaction; None when it was open for that reason.

    `role` is who has to prove that it is over, "" when asking for the account does.
    """
    workspace, connection = key
    await conn.execute(_CREATE, *key)
    row = await conn.fetchrow(_STATE + " for update", *key)
    if row["state"] == "open" and row["reason"] == reason:
        await conn.execute(_AGAIN, *key, retry_seconds, role)
        return None
    if row["state"] == "open":
        kind = _KINDS[row["reason"]]
        await close_attention(conn, workspace=workspace, kind=kind, subject=connection)
    since = await conn.fetchval(_OPEN, *key, reason, detail, role, retry_seconds)
    await open_attention(
        conn,
        workspace=workspace,
        kind=_KINDS[reason],
        subject=connection,
        summary=f"{workspace}/{connection} {_WORDS[reason]}: {detail}",
        details={"connection": connection, "since": since.isoformat(), "seen_by": seen_by},
    )
    return Opened(reason, detail, since)


async def store_closing(conn: Connection, key: Key) -> bool:
    """Close it, and its attention, in the caller's transaction; False when it was not open."""
    workspace, connection = key
    reason = await conn.fetchval(_CLOSE, *key)
    if reason is None:
        return False
    kind = _KINDS[reason]
    await close_attention(conn, workspace=workspace, kind=kind, subject=connection)
    return True


class Standing(NamedTuple):
    """How a connection stands, in the words of `plumbline status`."""

    state: Literal["refused", "wrong_account"]
    since: datetime
    detail: str


async def closed_off(conn: Connection) -> dict[Key, Standing]:
    """Every connection whose circuit is open."""
    rows = await conn.fetch(
        """select workspace, connection, state, since, detail from connection.circuit_view
           where state <> 'ok'"""
    )
    return {
        (row["workspace"], row["connection"]): Standing(row["state"], row["since"], row["detail"])
        for row in rows
    }
