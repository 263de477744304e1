"""Tokens of OAuth connections: one encrypted row each, refreshed by one process at a time.

AES-256-GCM under the keys of `PLUMBLINE_KEYS`, bound to workspace and connection, so that a row
copied to another connection opens nothing (design 12). Nothing here logs or repeats a token.
"""

import base64
import binascii
import hashlib
import os
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import asyncpg
import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from plumbline_schemas.errors import Retryable, Unauthorized

from plumbline_runtime.connections import HubSpotConnection
from plumbline_runtime.secrets import ConfigError

KEYS_VARIABLE: Final = "PLUMBLINE_KEYS"
KEY_BYTES: Final = 32

_NONCE_BYTES: Final = 12
_FORMAT: Final = b"\x01"
_EARLY_SECONDS: Final = 60.0
_LOCK_SECONDS: Final = 11
"""For another process's refresh; below the pool's own limit of a command."""

_BEGIN: Final = """
insert into connection.tokens (workspace, connection) values ($1, $2)
on conflict (workspace, connection) do nothing
"""
_READ: Final = """
select sealed, given_hash, extract(epoch from renew_at - clock_timestamp())::float8 as seconds
from connection.tokens where workspace = $1 and connection = $2
"""
_STORE: Final = """
update connection.tokens
set sealed = $3, given_hash = $4, refreshed = refreshed + 1, updated_at = clock_timestamp(),
    renew_at = now() + make_interval(secs => $5), expires_at = now() + make_interval(secs => $6)
where workspace = $1 and connection = $2
"""
_RESEAL: Final = """
update connection.tokens set sealed = $4
where workspace = $1 and connection = $2 and sealed = $3
"""

Renew = Callable[[str], Awaitable[tuple[str, str, float]]]
"""Asks the vendor with a refresh token: access token, refresh token from now on, seconds."""


class WrongKeyError(Exception):
    """None of the keys opens it, or it was sealed for something else."""


class Keys:
    """The keys of a deployment, newest first."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._ciphers = [AESGCM(key) for key in keys]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Keys":
        """Read PLUMBLINE_KEYS; raises ConfigError that says which one is wrong, not its text."""
        env = os.environ if environment is None else environment
        texts = [text.strip() for text in env.get(KEYS_VARIABLE, "").split(",") if text.strip()]
        if not texts:
            raise ConfigError(
                f"environment: {KEYS_VARIABLE} is not set, expected base64 keys of {KEY_BYTES} "
                f"bytes, comma-separated, newest first; tokens are stored encrypted with them"
            )
        return cls([_key(text, place) for place, text in enumerate(texts, 1)])

    def seal(self, plain: bytes, bound: bytes) -> bytes:
        """Encrypt with the newest key; `bound` must be given again to open it."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _FORMAT + nonce + self._ciphers[0].encrypt(nonce, plain, bound)

    def open(self, sealed: bytes, bound: bytes) -> tuple[bytes, bool]:
        """Decrypt with any key; also whether it was the newest. Raises WrongKeyError."""
        if sealed[:1] == _FORMAT:
            nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
            for place, cipher in enumerate(self._ciphers):
                try:
                    return cipher.decrypt(nonce, body, bound), place == 0
                except (InvalidTag, ValueError):
                    continue
        raise WrongKeyError


def _key(text: str, place: int) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigError(
            f"environment: {KEYS_VARIABLE}: key {place} is not base64 of {KEY_BYTES} bytes, "
            f"expected what `openssl rand -base64 {KEY_BYTES}` prints"
        )
    return key


def new_key() -> str:
    """A key as PLUMBLINE_KEYS holds it."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


class _Kept(NamedTuple):
    access_token: str
    refresh_token: str
    newest_key: bool


class TokenStore:
    """The tokens of one connection, for every process that has the keys."""

    def __init__(self, pool: "asyncpg.Pool", keys: Keys, workspace: str, connection: str) -> None:
        self._pool = pool
        self._keys = keys
        self._key = (workspace, connection)
        self._where = f"{workspace}/{connection}"
        self._refused: str | None = None
        self._bound = orjson.dumps(["connection.tokens", workspace, connection])

    @classmethod
    def of(
        cls, pool: "asyncpg.Pool", workspace: str, connection: HubSpotConnection
    ) -> "TokenStore | None":
        """The store of a connection that has an OAuth app, else None.

        Raises ConfigError naming the connection when there are no keys.
        """
        if connection.oauth is None:
            return None
        try:
            keys = Keys.from_environment()
        except ConfigError as error:
            name = connection.name
            raise ConfigError(f"connections.{name}.oauth ({workspace}): {error}") from None
        return cls(pool, keys, workspace, connection.name)

    def refused(self, access_token: str) -> None:
        """The vendor no longer takes it: not to be given out again."""
        self._refused = access_token

    async def access(self, given: str, renew: Renew) -> tuple[str, float]:
        """An access token, and the seconds it may be used without asking again.

        `given`, the configuration's refresh token, wins over a kept one when it is another than
        last time. A token that is over or refused is renewed under the row's lock: the others wait,
        and use what the first one got.

        Raises:
            Unauthorized: the row opens with none of the keys, or what `renew` raises.
            Retryable: another process's refresh takes too long, or what `renew` raises.
        """
        given_hash = hashlib.sha256(self._bound + given.encode()).digest()
        row = await self._pool.fetchrow(_READ, *self._key)
        kept = self._opened(row, given_hash)
        if row is not None and kept is not None:
            if not kept.newest_key:
                sealed = self._sealed(kept.access_token, kept.refresh_token)
                await self._pool.execute(_RESEAL, *self._key, row["sealed"], sealed)
            if row["seconds"] > 0 and kept.access_token != self._refused:
                return kept.access_token, row["seconds"]
        await self._pool.execute(_BEGIN, *self._key)
        try:
            async with self._pool.acquire() as conn, conn.transaction():
                return await self._renewed(conn, given, given_hash, renew)
        except (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError) as error:
            message = "another process's refresh of the token takes too long"
            raise Retryable(message, where=self._where) from error

    async def _renewed(
        self, conn: Any, given: str, given_hash: bytes, renew: Renew
    ) -> tuple[str, float]:
        await conn.execute(
            f"set local lock_timeout = '{_LOCK_SECONDS}s';"
            f"set local statement_timeout = '{_LOCK_SECONDS + 1}s'"
        )
        row = await conn.fetchrow(_READ + "for update", *self._key)
        kept = self._opened(row, given_hash)
        if kept is not None and row["seconds"] > 0 and kept.access_token != self._refused:
            return kept.access_token, row["seconds"]
        # now() below is the transaction's begin: the vendor's count starts later than ours
        access, refresh, seconds = await renew(given if kept is None else kept.refresh_token)
        usable = max(seconds - _EARLY_SECONDS, seconds / 2)
        sealed = self._sealed(access, refresh)
        await conn.execute(_STORE, *self._key, sealed, given_hash, usable, seconds)
        return access, usable

    def _sealed(self, access_token: str, refresh_token: str) -> bytes:
        return self._keys.seal(orjson.dumps([access_token, refresh_token]), self._bound)

    def _opened(self, row: Any, given_hash: bytes) -> _Kept | None:
        """What the row holds for this very refresh token of the configuration."""
        if row is None or row["sealed"] is None or row["given_hash"] != given_hash:
            return None
        try:
            plain, newest = self._keys.open(row["sealed"], self._bound)
        except WrongKeyError:
            raise Unauthorized(
                f"its stored tokens open with none of {KEYS_VARIABLE}: add the key they were "
                f"stored with, or configure a new oauth.refresh_token",
                where=self._where,
            ) from None
        access_token, refresh_token = orjson.loads(plain)
        return _Kept(access_token, refresh_token, newest)
