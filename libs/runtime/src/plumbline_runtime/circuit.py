"""The circuit of a vendor connection: one row in PostgreSQL that every process obeys (design 7).

Whoever is refused opens it; then nobody calls with that connection, nothing fails for good, nothing
counts as an attempt. One prober at a time asks the vendor which account the credentials open, every
`retry_seconds`, with secrets read afresh; the right account closes it for all. A refusal that
asking for the account does not show, such as a missing scope, is probed by the role that met it,
with its own work (a *trial*).

The same question is asked before a process makes its first call, before a walk, and after the
circuit was open: credentials of another account are never used (design 2, vendors 1.10).
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any, Final, Literal, Protocol

import asyncpg
import structlog
from plumbline_schemas.errors import Retryable, Unauthorized, VendorError

from plumbline_runtime import circuit_rows as rows
from plumbline_runtime.circuit_rows import Opened, Reason
from plumbline_runtime.error_words import describe
from plumbline_runtime.pins import Account, Identity, hold_to_pin
from plumbline_runtime.postgres import UNREACHABLE, transaction
from plumbline_runtime.secrets import ConfigError

Admission = Literal["go", "trial", "wait"]
_FRESH_SECONDS: Final = 0.5
"""How long a circuit found closed is taken to be closed."""
_PROBE_SECONDS: Final = 10.0
_DETAIL_LIMIT: Final = 500
_PAUSE_SECONDS: Final = 1.0


class AccountCheck(Protocol):
    """Asks the vendor, with secrets read afresh, which account they open."""

    async def look(self) -> Account:
        """The account; raises VendorError, or ConfigError where a secret is missing."""

    async def adopt(self) -> bool:
        """Call with what `look` used from now on; True when that is something new."""

    async def drop(self) -> None:
        """Never call with what `look` used."""


class HealthNotes(Protocol):
    """The runtime's health: told there without being unready, since it is one connection's."""

    def set(self, condition: str, ok: bool, detail: str = "") -> None:
        """State a condition."""


class Circuit:
    """One role's view of a connection's circuit; callers ask `admit` before every call.

    `expected` is what the file says of the account, `wake` is called when attention was stored.
    """

    def __init__(
        self,
        pool: "asyncpg.Pool",
        workspace: str,
        connection: str,
        *,
        role: str,
        account: AccountCheck,
        expected: Identity,
        retry_seconds: float,
        health: HealthNotes,
        wake: Callable[[], None],
    ) -> None:
        self._pool = pool
        self._key = (workspace, connection)
        self._role = role
        self._account = account
        self._expected = expected
        self._retry = retry_seconds
        self._health = health
        self._wake = wake
        self._asking = asyncio.Lock()
        self._verified = False
        self._told = False
        self._openings = -1
        self._closed_until = 0.0
        self._ask_again_at = 0.0
        self.label = f"{workspace}/{connection}"
        self.opened: Opened | None = None
        """As seen last."""
        self.pause_seconds = min(retry_seconds / 4, _PAUSE_SECONDS)
        """How long to wait before asking `admit` again."""
        self._log = structlog.get_logger().bind(source=self.label, role=role)

    async def admit(self) -> Admission:
        """Whether calls may be made: `go`; `trial`: one piece of work, then `accepted` or
        `refused`; `wait`: none. Raises what asyncpg raises."""
        if self._verified and time.monotonic() < self._closed_until:
            return "go"
        async with self._asking:
            opened, openings = await rows.load(self._pool, self._key)
            if opened is not None:
                self._verified = False
                self._note(opened)
                return await self._probe()
            if openings != self._openings:
                # It was open meanwhile: another process may have found other secrets than ours.
                self._openings, self._verified = openings, False
            if self._verified or await self._verify():
                self._closed_until = time.monotonic() + _FRESH_SECONDS
                self._note(None)
                return "go"
            return "wait"

    async def accepted(self) -> None:
        """The trial went well, or there was nothing to try."""
        async with self._asking:
            await self._close()

    async def refused(self, error: VendorError) -> None:
        """The vendor refused a call: open the circuit, unless newer secrets are to be had."""
        async with self._asking:
            self._verified = False
            role = self._role
            try:
                why = await self._ask()
            except Unauthorized as refusal:
                why, error, role = None, refusal, ""
            except (VendorError, TimeoutError, ConfigError):
                why, role = None, ""
            else:
                if why is None and await self._account.adopt():
                    self._verified = True
                    self._log.info("secrets_renewed")
                    return
            if why is not None:
                await self._open("wrong_account", why, "")
            else:
                await self._open("credentials", describe(error), role)

    def doubt(self) -> None:
        """Ask which account it is before the next call, as before a walk."""
        self._verified = False

    async def _ask(self) -> str | None:
        """Why it is not our account; raises as `AccountCheck.look` and TimeoutError."""
        async with asyncio.timeout(_PROBE_SECONDS):
            found = await self._account.look()
        if found.account_id is None and not self._told:
            self._told = True
            self._log.info("account_not_told", mode=found.mode)

        async def hold(conn: Any) -> str | None:
            return await hold_to_pin(conn, *self._key, found, self._expected)

        why = await transaction(self._pool, hold)
        if why is not None:
            await self._account.drop()
        return why

    async def _verify(self) -> bool:
        """Whether it is our account, asked while the circuit is closed."""
        if time.monotonic() < self._ask_again_at:
            return False
        if not await self._right_account():
            self._ask_again_at = time.monotonic() + self.pause_seconds
            return False
        await self._account.adopt()
        self._verified = True
        return True

    async def _right_account(self) -> bool:
        """Ask; what speaks against the account opens the circuit, or keeps it open."""
        try:
            why = await self._ask()
        except (Unauthorized, ConfigError) as error:
            await self._open("credentials", describe(error), "")
            return False
        except (VendorError, TimeoutError) as error:
            self._log.warning("account_not_answered", error=error)
            if isinstance(error, Retryable) and self.opened is None:
                self._health.set(
                    self._condition, True, f"account not checked yet: {describe(error)}"
                )
            return False
        if why is not None:
            await self._open("wrong_account", why, "")
        return why is None

    async def _probe(self) -> Admission:
        role = await rows.claim(self._pool, self._key, self._role, self._retry + _PROBE_SECONDS)
        if role is None:
            return "wait"
        try:
            return await self._probe_as(role)
        except BaseException:
            await self._give_up_probing()
            raise

    async def _probe_as(self, role: str) -> Admission:
        if not await self._right_account():
            await rows.release(self._pool, self._key, self._retry)
            return "wait"
        if role and not await self._account.adopt():
            return "trial"  # the very secrets that were refused
        await self._account.adopt()
        await self._close()
        return "wait" if self.opened else "go"

    async def _give_up_probing(self) -> None:
        """Who stops in the middle of a question leaves it to whoever comes next, at once."""
        with contextlib.suppress(*UNREACHABLE):  # else the claim runs out by itself
            async with asyncio.timeout(_PAUSE_SECONDS):
                await rows.release(self._pool, self._key, 0)

    async def _open(self, reason: Reason, detail: str, role: str) -> None:
        said = detail[:_DETAIL_LIMIT].replace("\0", "")

        async def write(conn: Any) -> Opened | None:
            return await rows.store_opening(
                conn, self._key, reason, said, role=role, seen_by=self._role,
                retry_seconds=self._retry,
            )  # fmt: skip

        opened = await transaction(self._pool, write)
        self._verified = False
        if opened is not None:
            self._note(opened)
            self._log.error("connection_closed_off", reason=reason, error=said)
            self._wake()

    async def _close(self) -> None:
        async def write(conn: Any) -> bool:
            return await rows.store_closing(conn, self._key)

        closed = await transaction(self._pool, write)
        opened, self._openings = await rows.load(self._pool, self._key)
        self._verified = opened is None
        self._note(opened)
        if closed:
            self._log.info("connection_accepted_again")
            self._wake()

    @property
    def _condition(self) -> str:
        return f"credentials:{self.label}"

    def _note(self, opened: Opened | None) -> None:
        self.opened = opened
        detail = ""
        if opened is not None:
            what = "refused" if opened.reason == "credentials" else "wrong account"
            detail = f"{what} since {opened.since.isoformat()}: {opened.detail}"
        self._health.set(self._condition, True, detail)
