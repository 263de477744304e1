"""Access tokens from a refresh token, kept in memory until they are nearly over (vendors 2.1)."""

import asyncio
import time
from typing import Final, NamedTuple

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


class OAuthTokens:
    """Credentials of one connection. Concurrent callers share one refresh."""

    def __init__(self, http: VendorHttp, token_path: str, grant: OAuthGrant) -> None:
        """`http` sends no `Authorization` of its own."""
        self._http = http
        self._path = token_path
        self._grant = self.given = grant
        self._header: str | None = None
        self._good_until = 0.0
        self._refreshing = asyncio.Lock()

    async def authorization(self) -> str:
        """Value of the header, fresh for another minute at least.

        Raises:
            Unauthorized: HubSpot refuses the grant, as after an uninstall.
            Retryable: it couldn't be asked.
        """
        async with self._refreshing:
            if self._header is None or time.monotonic() >= self._good_until:
                self._header = await self._refresh()
            return self._header

    def refused(self) -> None:
        """The next call fetches another token."""
        self._header = None

    def same_as(self, other: Credentials) -> bool:
        """Whether both began with the same grant, however far it has been rotated since."""
        return isinstance(other, OAuthTokens) and other.given == self.given

    async def _refresh(self) -> str:
        asked_at = time.monotonic()
        form = {
            "grant_type": "refresh_token",
            "client_id": self._grant.client_id,
            "client_secret": self._grant.client_secret,
            "refresh_token": self._grant.refresh_token,
        }
        answer = await self._http.request("POST", self._path, form=form)
        body = answer.json()
        token = body.get("access_token") if isinstance(body, dict) else None
        seconds = body.get("expires_in") if isinstance(body, dict) else None
        if not isinstance(token, str) or not token or not isinstance(seconds, int):
            raise Retryable("the answer holds no token", where=answer.where, status=answer.status)
        rotated = body.get("refresh_token")
        if isinstance(rotated, str) and rotated:
            self._grant = self._grant._replace(refresh_token=rotated)
        self._good_until = asked_at + max(seconds - _EARLY_SECONDS, seconds / 2)
        return f"Bearer {token}"

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()
