"""Pins: a connection belongs to one vendor account in one mode, for good (design 2).

The first account that a connection's credentials open is stored; what they open later is held
against it, and against what the deployment's file says.
"""

from typing import Any, Final, NamedTuple, Protocol

from plumbline_runtime.connections import HubSpotConnection, StripeConnection

_FIRST: Final = """
insert into connection.pins (workspace, connection, account_id, mode) values ($1, $2, $3, $4)
on conflict (workspace, connection) do nothing
"""
_PIN: Final = """
select account_id, mode from connection.pins
where workspace = $1 and connection = $2 for update
"""
_LEARN: Final = """
update connection.pins set account_id = coalesce(account_id, $3), mode = coalesce(mode, $4)
where workspace = $1 and connection = $2
"""

Connection = Any
"""An asyncpg connection, pooled or not."""


class Account(Protocol):
    """What credentials open, as far as the vendor tells."""

    @property
    def account_id(self) -> str | None:
        """The vendor's own id of the account."""

    @property
    def mode(self) -> str | None:
        """live or test."""


class Identity(NamedTuple):
    """An account and its mode; None where it is not known."""

    account_id: str | None
    mode: str | None


def configured(connection: StripeConnection | HubSpotConnection) -> Identity:
    """What the file says of the account.

    HubSpot has no modes: there `mode` only tells whether a plain address may be used.
    """
    if isinstance(connection, StripeConnection):
        return Identity(None, connection.mode)
    return Identity(connection.portal_id, None)


def mismatch(found: Account, expected: Identity, pinned: Identity) -> str | None:
    """Why this is not the connection's account; None when nothing known speaks against it."""
    mode = found.mode or expected.mode
    account = found.account_id
    if None not in (found.mode, expected.mode) and found.mode != expected.mode:
        return f"found credentials of {found.mode} mode, the file says {expected.mode}"
    if None not in (account, expected.account_id) and account != expected.account_id:
        return f"found account {account}, the file says {expected.account_id}"
    if None not in (account, pinned.account_id) and account != pinned.account_id:
        return f"found account {account}, the connection is pinned to {pinned.account_id}"
    if None not in (mode, pinned.mode) and mode != pinned.mode:
        return f"found {mode} mode, the connection is pinned to {pinned.mode} mode"
    return None


async def hold_to_pin(
    conn: Connection, workspace: str, connection: str, found: Account, expected: Identity
) -> str | None:
    """Compare and, unless it speaks against the account, store what is new, in the caller's
    transaction; returns what `mismatch` says."""
    key = (workspace, connection)
    why = mismatch(found, expected, Identity(None, None))
    if why is not None:
        return why
    learnt = (found.account_id, found.mode or expected.mode)
    await conn.execute(_FIRST, *key, *learnt)
    row = await conn.fetchrow(_PIN, *key)
    why = mismatch(found, expected, Identity(row["account_id"], row["mode"]))
    if why is None:
        await conn.execute(_LEARN, *key, *learnt)
    return why


async def pinned_accounts(conn: Connection) -> dict[tuple[str, str], str]:
    """The vendor's account id of each (workspace, connection) that has one pinned."""
    rows = await conn.fetch(
        "select workspace, connection, account_id from connection.pins where account_id is not null"
    )
    return {(row["workspace"], row["connection"]): row["account_id"] for row in rows}
