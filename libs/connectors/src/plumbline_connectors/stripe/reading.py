"""Taking a Stripe object apart: every accessor says where it stood when a value is unusable."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final

from plumbline_schemas.dead_letter import DeadLetterReason

_MAX_MAGNITUDE: Final = 30
_MAX_INTEGER: Final = 2**63 - 1
_WHOLE: Final = re.compile(r"0|[1-9][0-9]*").fullmatch
_DECIMAL_TEXT: Final = re.compile(r"-?\d{1,40}(\.\d{1,40})?")


class Untranslatable(ValueError):  # noqa: N818 - the word is the contract
    """An object that can't be said in our words; `where` is the path of the offending part."""

    def __init__(self, message: str, *, where: str, reason: DeadLetterReason = "untranslatable"):
        super().__init__(f"{where}: {message}")
        self.reason: DeadLetterReason = reason
        self.where = where


@lru_cache(maxsize=4096)
def _whole(text: str) -> Decimal | None:
    """Amounts come again and again; None: not a plain whole number."""
    return Decimal(text) if _WHOLE(text) else None


@lru_cache(maxsize=4096)
def _of_integer(value: int) -> Decimal:
    return Decimal(value)


@lru_cache(maxsize=4096)
def _instant(seconds: int) -> datetime:
    """An object says the same instant several times."""
    return datetime.fromtimestamp(seconds, UTC)


class Fields:
    """Read access to one vendor hash. `where` is its path, e.g. `data.object.items.data[0]`.

    An absent key and a null are the same: Stripe's versions differ in which they send.
    """

    __slots__ = ("_above", "_name", "raw")

    def __init__(self, raw: Mapping[str, Any], name: str, above: "Fields | None" = None) -> None:
        """`name` is where it stands in `above`, or its whole path when there is nothing above."""
        self.raw = raw
        self._name = name
        self._above = above

    @property
    def where(self) -> str:
        """Path of this hash: put together when it is asked for, for nearly none ever is."""
        if self._above is None:
            return self._name
        dot = "" if self._name.startswith("[") else "."
        return f"{self._above.where}{dot}{self._name}"

    def text(self, name: str) -> str | None:
        """A string, None when absent, null or empty."""
        value = self.raw.get(name)
        if value is None or type(value) is str:
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
        if value is None or (type(value) is int and -_MAX_INTEGER <= value <= _MAX_INTEGER):
            return value
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
        if type(value) is str and len(value) < _MAX_MAGNITUDE:
            whole = _whole(value)
            if whole is not None:
                return whole
        elif isinstance(value, bool) or not isinstance(value, int | str | Decimal):
            raise self.unusable(name, "a decimal")
        return self._exact(name, value)

    def required_decimal(self, name: str) -> Decimal:
        """An exact number that must be there."""
        value = self.decimal(name)
        if value is None:
            raise self.unusable(name, "a decimal")
        return value

    def _exact(self, name: str, value: int | str | Decimal) -> Decimal:
        if type(value) is int and -_MAX_INTEGER <= value <= _MAX_INTEGER:
            return _of_integer(value)
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
        seconds = self.raw.get(name)
        if seconds is None:
            return None
        if type(seconds) is not int:
            seconds = self.amount(name)
        try:
            return _instant(seconds)
        except (OverflowError, OSError, ValueError) as error:
            raise self.unusable(name, "a time in Unix seconds") from error

    def ref(self, name: str) -> str | None:
        """Id of an object that may be embedded or named."""
        value = self.raw.get(name)
        if value is None:
            return None
        if isinstance(value, dict):
            value = value.get("id")
        if value is None or isinstance(value, str):
            return value or None
        raise self.unusable(name, "an id or an object")

    def refs(self, name: str) -> tuple[str, ...]:
        """Ids of a list whose members may be embedded or named."""
        return tuple(
            entry if isinstance(entry, str) else entry.required_text("id")
            for entry in self.entries(name)
        )

    def child(self, name: str) -> "Fields | None":
        """A nested hash; None when absent, null, or only named by its id."""
        value = self.raw.get(name)
        if value is None:
            return None
        if isinstance(value, dict):
            return Fields(value, name, self)
        if isinstance(value, str):
            return None
        raise self.unusable(name, "an object")

    def beneath(self, name: str) -> "Fields":
        """A nested hash; an empty one when absent, null, or only named by its id."""
        return self.child(name) or Fields({}, name, self)

    def array(self, name: str) -> list[Any]:
        """A list, empty when absent."""
        value = self.raw.get(name)
        if value is None:
            return []
        if isinstance(value, list):
            return value
        raise self.unusable(name, "a list")

    def children(self, name: str) -> list["Fields"]:
        """The hashes of a list, every one of them."""
        value = self.raw.get(name)
        if not value:
            return []
        found: list[Fields] = []
        for place, entry in enumerate(self.array(name)):
            if not isinstance(entry, dict):
                raise self._odd(name, place, "an object")
            found.append(Fields(entry, f"{name}[{place}]", self))
        return found

    def entries(self, name: str) -> list["Fields | str"]:
        """The members of a list, each embedded (a hash) or named (an id)."""
        found: list[Fields | str] = []
        for place, entry in enumerate(self.array(name)):
            if isinstance(entry, dict):
                found.append(Fields(entry, f"{name}[{place}]", self))
            elif isinstance(entry, str) and entry:
                found.append(entry)
            else:
                raise self._odd(name, place, "an id or an object")
        return found

    def options(self, name: str) -> dict[str, "Fields"] | None:
        """A hash of hashes, None when absent or null."""
        several = self.child(name)
        if several is None:
            return None
        found: dict[str, Fields] = {}
        for key in several.raw:
            option = several.child(key)
            if option is None:
                raise several.unusable(key, "an object")
            found[key] = option
        return found

    def _odd(self, name: str, place: int, expected: str) -> "Untranslatable":
        return Untranslatable(f"expected {expected}", where=f"{self.where}.{name}[{place}]")

    def unusable(self, name: str, expected: str) -> Untranslatable:
        """The error of a part that isn't what it must be; the value is never repeated."""
        value = self.raw.get(name)
        found = "nothing" if value is None else type(value).__name__
        return Untranslatable(f"expected {expected}, found {found}", where=f"{self.where}.{name}")


def lower(text: str | None) -> str | None:
    """Currencies are lower case everywhere (vendors 1.13)."""
    return None if text is None else text.lower()
