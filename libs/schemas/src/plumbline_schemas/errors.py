"""The three words all layers share for what went wrong with a vendor call."""


class VendorError(Exception):
    """A vendor call failed; `where` names the connection and the call."""

    def __init__(self, message: str, *, where: str, status: int | None = None) -> None:
        super().__init__(f"{where}: {message}")
        self.where = where
        self.status = status


class Retryable(VendorError):  # noqa: N818 - the word is the contract
    """Try again, not before `retry_after` seconds when the vendor named a wait."""

    def __init__(
        self,
        message: str,
        *,
        where: str,
        status: int | None = None,
        retry_after: float | None = None,
        rate_limited: bool = False,
        daily: bool = False,
    ) -> None:
        """`daily`: the day's quota is used up, nothing helps before the next day."""
        super().__init__(message, where=where, status=status)
        self.retry_after = retry_after
        self.rate_limited = rate_limited
        self.daily = daily


class Permanent(VendorError):  # noqa: N818 - the word is the contract
    """The same call will never succeed."""


class Unauthorized(VendorError):  # noqa: N818 - the word is the contract
    """The vendor refuses our credentials: stop this connection, not the partition."""


class MissingScopes(Unauthorized):
    """The vendor knows us, but we may not do this: it stops one kind of object at most."""

    def __init__(
        self, message: str, *, where: str, status: int | None = None, scopes: tuple[str, ...] = ()
    ) -> None:
        """`scopes` are the vendor's names of what we lack; any one of them may do."""
        named = f"; it takes the scope {' or '.join(scopes)}" if scopes else ""
        super().__init__(message + named, where=where, status=status)
        self.scopes = scopes


class Conflict(VendorError):  # noqa: N818 - the word is the contract
    """The vendor's object is not in the state the call assumed."""
