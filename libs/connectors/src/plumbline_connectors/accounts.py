"""Asking which account a connection's secrets open, before they are used (design 2)."""

from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, Self, TypeVar

from plumbline_connectors.results import VendorAccount


class Client(Protocol):
    """A vendor's client."""

    async def account(self) -> VendorAccount:
        """Which account the credentials open."""

    async def adopt(self, other: Self) -> bool:
        """Call with the other's credentials from now on; False when they are ours."""

    async def aclose(self) -> None:
        """Close the connections."""


ClientT = TypeVar("ClientT", bound=Client)


class AccountCheck(Generic[ClientT]):
    """Looks with a client of its own, made from secrets read afresh; `working` calls with what it
    has until they were found good and are adopted."""

    def __init__(
        self,
        working: ClientT,
        open_fresh: Callable[[], ClientT],
        acquire: Callable[[], Awaitable[None]],
        told_zone: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        """`acquire` waits for the right to make a call; `told_zone` hears the account's zone."""
        self._told_zone = told_zone
        self._working = working
        self._open_fresh = open_fresh
        self._acquire = acquire
        self._looked: ClientT | None = None

    async def look(self) -> VendorAccount:
        """The account that the secrets open now.

        Raises VendorError, or the configuration's error where a secret cannot be read.
        """
        await self.drop()
        await self._acquire()
        fresh = self._open_fresh()
        try:
            found = await fresh.account()
            if found.timezone is not None and self._told_zone is not None:
                await self._told_zone(found.timezone)
        except BaseException:
            await fresh.aclose()
            raise
        self._looked = fresh
        return found

    async def adopt(self) -> bool:
        """Have the working client call with what was looked with last; True when that is new."""
        if self._looked is None:
            return False
        changed = await self._working.adopt(self._looked)
        await self.drop()
        return changed

    async def drop(self) -> None:
        """Forget what was looked with last."""
        if self._looked is not None:
            looked, self._looked = self._looked, None
            await looked.aclose()
