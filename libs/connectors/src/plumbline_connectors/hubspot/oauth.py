"""Access tokens from a refresh token, shared by all processes of a connection (vendors 2.1)."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, Protocol

from plumbline_schemas.errors import Retryable

from plumbline_connectors.http import Credentials, VendorHttp

_EARLY_SECONDS: Final = 60.0


class OAuthGrant(NamedTuple):
    """What an installed OAuth app holds for one account."""

    client_id: str
    client_secret: str
    refresh_token: str

    def __repr__(self) -> str:
        """Names the app, never a secret."""
        return f"OAuthGrant(client_id={self.client_id!r})"


class Renewed(NamedTuple):
    """The vendor's answer to a refresh."""

    access_token: str
    refresh_token: str
    """To be used from now on."""
    seconds: float
    """Until the access token ends."""

    def __repr__(self) -> str:
        """Never a secret."""
        return f"Renewed(seconds={self.seconds!r})"


Renew = Callable[[str], Awaitable[Renewed]]
"""Asks the vendor, with this refresh token."""


class TokenShelf(Protocol):
    """Where a connection's tokens are kept."""

    async def access(self, given: str, renew: Renew) -> tuple[str, float]:
        """An access token, and the seconds it may be used without asking again.

        `given` is the configuration's refresh token: a new one wins over what was kept. Raises
        what `renew` raises.
        """

    def refused(self, access_token: str) -> None:
        """The vendor no longer takes it: not to be given out again."""


class OwnShelf:
    """Keeps tokens in memory, for one client alone."""

    def __init__(self) -> None:
        self._kept: Renewed | None = None
        self._good_until = 0.0

    def refused(self, access_token: str) -> None:
        """As `TokenShelf`."""
        if self._kept is not None and self._kept.access_token == access_token:
            self._good_until = 0.0

    async def access(self, given: str, renew: Renew) -> tuple[str, float]:
        """As `TokenShelf`; not for concurrent callers."""
        kept = self._kept
        left = self._good_until - time.monotonic()
        if kept is None or left <= 0:
            asked_at = time.monotonic()
            kept = self._kept = await renew(given if kept is None else kept.refresh_token)
            self._good_until = asked_at + usable_seconds(kept.seconds)
            left = self._good_until - time.monotonic()
        return kept.access_token, left


def usable_seconds(lifetime: float) -> float:
    """How long a token that lives so long is used: to a minute before its end, half at least."""
    return max(lifetime - _EARLY_SECONDS, lifetime / 2)


class OAuthTokens:
    """Credentials of one connection. Concurrent callers share one refresh."""

    def __init__(
        self, http: VendorHttp, token_path: str, grant: OAuthGrant, shelf: TokenShelf | None = None
    ) -> None:
        """`http` sends no `Authorization` of its own."""
        self._http = http
        self._path = token_path
        self.given = grant
        self._shelf = shelf or OwnShelf()
        self._token: str | None = None
        self._good_until = 0.0
        self._refreshing = asyncio.Lock()

    async def authorization(self) -> str:
        """Value of the header, fresh for another minute at least.

        Raises:
            Unauthorized: HubSpot refuses the grant, as after an uninstall.
            Retryable: it couldn't be asked.
        """
        async with self._refreshing:
            if self._token is None or time.monotonic() >= self._good_until:
                given = self.given.refresh_token
                asked_at = time.monotonic()
                token, seconds = await self._shelf.access(given, self._renew)
                self._token, self._good_until = token, asked_at + seconds
            return f"Bearer {self._token}"

    def refused(self, sent: str | None) -> None:
        """The next call fetches another token, unless that was done since `sent` went out: many
        calls in the air learn of one token's end, some of them late."""
        if self._token is not None and sent == f"Bearer {self._token}":
            self._shelf.refused(self._token)
            self._token = None

    def same_as(self, other: Credentials) -> bool:
        """Whether both began with the same grant, however far it has been rotated since."""
        return isinstance(other, OAuthTokens) and other.given == self.given

    async def _renew(self, refresh_token: str) -> Renewed:
        form = {
            "grant_type": "refresh_token",
            "client_id": self.given.client_id,
            "client_secret": self.given.client_secret,
            "refresh_token": refresh_token,
        }
        answer = await self._http.request("POST", self._path, form=form)
        body = answer.json()
        token = body.get("access_token") if isinstance(body, dict) else None
        seconds = body.get("expires_in") if isinstance(body, dict) else None
        if not isinstance(token, str) or not token or not isinstance(seconds, int):
            raise Retryable("the answer holds no token", where=answer.where, status=answer.status)
        rotated = body.get("refresh_token")
        kept = rotated if isinstance(rotated, str) and rotated else refresh_token
        return Renewed(token, kept, float(seconds))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()
