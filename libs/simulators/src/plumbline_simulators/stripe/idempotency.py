"""Idempotency keys of POST: the first result is replayed for 24 simulated hours."""

import hashlib
from typing import NamedTuple

from plumbline_simulators.stripe.errors import StripeError
from plumbline_simulators.stripe.store import Store

LIFETIME_SECONDS = 24 * 3600
MAX_LENGTH = 255

_SCHEMA = """
CREATE TABLE IF NOT EXISTS idempotency (
    key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, created INTEGER NOT NULL,
    status INTEGER NOT NULL, body BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS idempotency_created ON idempotency (created);
"""


class Replay(NamedTuple):
    status: int
    body: bytes


def fingerprint(method: str, path: str, body: bytes) -> str:
    return hashlib.sha256(b"\n".join((method.encode(), path.encode(), body))).hexdigest()


class IdempotencyKeys:
    def __init__(self, store: Store) -> None:
        self._sql = store.connection
        self._sql.executescript(_SCHEMA)

    def replay(self, key: str, print_of_call: str, now: int) -> Replay | None:
        """The first result of this key; raises idempotency_error for other parameters."""
        if len(key) > MAX_LENGTH:
            raise StripeError(400, f"Idempotency-Key: at most {MAX_LENGTH} characters.")
        self._sql.execute("DELETE FROM idempotency WHERE created < ?", (now - LIFETIME_SECONDS,))
        row = self._sql.execute(
            "SELECT fingerprint, status, body FROM idempotency WHERE key = ?", (key,)
        ).fetchone()
        if row is None:
            return None
        if row[0] != print_of_call:
            raise StripeError(
                400,
                "Keys for idempotent requests can only be used with the same parameters they "
                f"were first used with. Try using a key other than '{key}' if you meant to "
                "execute a different request.",
                kind="idempotency_error",
            )
        return Replay(row[1], row[2])

    def remember(self, key: str, print_of_call: str, now: int, status: int, body: bytes) -> None:
        """Results of calls that ran: successes, declines, server errors; no refusals."""
        if status < 400 or status == 402 or status >= 500:
            self._sql.execute(
                "INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?, ?, ?)",
                (key, print_of_call, now, status, body),
            )
