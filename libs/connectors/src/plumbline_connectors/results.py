"""What reads of any vendor answer with."""

from datetime import datetime
from typing import Any, Literal, NamedTuple


class Page(NamedTuple):
    """One page of a list."""

    rows: list[dict[str, Any]]
    next_cursor: str | None
    """Give it to the next call; None at the end of the list."""
    began_at: datetime
    """When the read started by the vendor's clock, whole seconds (design 5)."""
    refused: str | None = None
    """What the vendor said when it did not give this list at all; there are no rows then."""


class ReadResult(NamedTuple):
    """One object, or None where the vendor knows none of that id (404)."""

    obj: dict[str, Any] | None
    began_at: datetime
    """When the read started by the vendor's clock, whole seconds (design 5)."""


class VendorAccount(NamedTuple):
    """What credentials open, as far as the vendor tells; None where it does not."""

    account_id: str | None
    mode: Literal["live", "test"] | None
    timezone: str | None = None
    """IANA name: where the account's days end."""
