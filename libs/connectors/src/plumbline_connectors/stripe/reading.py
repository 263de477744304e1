"""Taking a Stripe object apart: every accessor says where it stood when a value is unusable."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from plumbline_schemas.dead_letter import DeadLetterReason

_MAX_MAGNITUDE: Final = 30
_MAX_INTEGER: Final = 2**63 - 1
_DECIMAL_TEXT: Final = re.compile(r"-?\d{1,40}(\.\d{1,40})?")


class Untranslatable(ValueError):  # noqa: N818 - the word is the contract
    """An object that can't be said in our words; `where` is the path of the offending part."""

    def __init__(self, message: str, *, where: str, reason: DeadLetterReason = "untranslatable"):
        super().__init__(f"{where}: {message}")
        self.reason: DeadLetterReason = reason
        self.where = where


class Fields:
    """Read access to one vendor hash. `where` is its path, e.g. `data.object.items.data[0]`.

    An absent key and a null are the same: Stripe's versions differ in which they send.
    """

    __slots__ = ("raw", "where")

    def __init__(self, raw: Mapping[str, Any], where: str) -> None:
        self.raw = raw
        self.where = where

    def text(self, name: str) -> str | None:
        """A string, None when absent, null or empty."""
        value = self.raw.get(name)
        if value is None or isinstance(value, str):
            return value or None
        raise self.unusable(name, "a string")

    def required_text(self, name: str) -> str:
        """A string that must be there."""
        value = self.text(name)
        if value is None:
            raise self.unusable(name, "a string")
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        """A boolean."""
        value = self.raw.get(name)
        if value is None:
            return default
        if isinstance(value, bool):
            return value
        raise self.unusable(name, "a boolean")

    def integer(self, name: str) -> int | None:
        """A whole number of at most 64 bits, as Stripe's own are; `100.0` counts as 100."""
        value = self.raw.get(name)
        if value is None:
            return None
        if isinstance(value, Decimal) and value.adjusted() < _MAX_MAGNITUDE and value % 1 == 0:
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.unusable(name, "a whole number")
        if abs(value) > _MAX_INTEGER:
            raise self.unusable(name, "a whole number of a sane size")
        return value

    def amount(self, name: str) -> int:
        """A whole amount of minor units, 0 when absent."""
        return self.integer(name) or 0

    def decimal(self, name: str) -> Decimal | None:
        """An exact number from a decimal string or number, without needless zeros."""
        value = self.raw.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
            raise self.unusable(name, "a decimal")
        return self._exact(name, value)

    def _exact(self, name: str, value: int | str | Decimal) -> Decimal:
        try:
            if isinstance(value, str) and not _DECIMAL_TEXT.fullmatch(value):
                raise self.unusable(name, "a decimal")
            exact = Decimal(value)
        except InvalidOperation as error:
            raise self.unusable(name, "a decimal") from error
        if exact.adjusted() > _MAX_MAGNITUDE or exact.adjusted() < -_MAX_MAGNITUDE:
            raise self.unusable(name, "a decimal of a sane size")
        plain = f"{exact:f}"
        return Decimal(plain.rstrip("0").rstrip(".") if "." in plain else plain)

    def time(self, name: str) -> datetime | None:
        """Unix seconds as UTC."""
        seconds = self.integer(name)
        if seconds is None:
            return None
        try:
            return datetime.fromtimestamp(seconds, UTC)
        except (OverflowError, OSError, ValueError) as error:
            raise self.unusable(name, "a time in Unix seconds") from error

    def ref(self, name: str) -> str | None:
        """Id of an object that may be embedded or named."""
        value = self.raw.get(name)
        if isinstance(value, Mapping):
            value = value.get("id")
        if value is None or isinstance(value, str):
            return value or None
        raise self.unusable(name, "an id or an object")

    def refs(self, name: str) -> tuple[str, ...]:
        """Ids of a list whose members may be embedded or named; those without an id are left."""
        found = self.array(name)
        ids = (item.get("id") if isinstance(item, Mapping) else item for item in found)
        return tuple(one for one in ids if isinstance(one, str) and one)

    def child(self, name: str) -> "Fields | None":
        """A nested hash; None when absent, null, or only named by its id."""
        value = self.raw.get(name)
        if isinstance(value, Mapping):
            return Fields(value, f"{self.where}.{name}")
        if value is None or isinstance(value, str):
            return None
        raise self.unusable(name, "an object")

    def array(self, name: str) -> list[Any]:
        """A list, empty when absent."""
        value = self.raw.get(name)
        if value is None:
            return []
        if isinstance(value, list):
            return value
        raise self.unusable(name, "a list")

    def children(self, name: str) -> list["Fields"]:
        """The hashes of a list, bare ids left out."""
        return [
            Fields(item, f"{self.where}.{name}[{place}]")
            for place, item in enumerate(self.array(name))
            if isinstance(item, Mapping)
        ]

    def unusable(self, name: str, expected: str) -> Untranslatable:
        """The error of a part that isn't what it must be; the value is never repeated."""
        value = self.raw.get(name)
        found = "nothing" if value is None else type(value).__name__
        return Untranslatable(f"expected {expected}, found {found}", where=f"{self.where}.{name}")
