"""Property values as HubSpot writes them: strings, whatever the type (vendors 2.3)."""

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Final

from plumbline_schemas.fields import FieldType

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def encode_value(field_type: FieldType, value: str | bool | Decimal | datetime | None) -> str:
    """Write one value as HubSpot takes it; None clears the property, which is an empty string.

    Numbers come in plain notation (`83.33`, `0`), datetimes in ISO 8601 with milliseconds and Z,
    booleans as `true` and `false`.

    Raises:
        TypeError: the value can't be of that type, e.g. a float as a number.
    """
    if value is None:
        return ""
    if field_type == "bool" and isinstance(value, bool):
        return "true" if value else "false"
    if field_type == "datetime" and isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if field_type == "number" and isinstance(value, Decimal | int) and not isinstance(value, bool):
        exact = Decimal(value)
        if exact.is_finite():
            return f"{exact:f}"
    if field_type in {"string", "enumeration"} and isinstance(value, str):
        return value
    raise TypeError(f"a {field_type} property can't take a {type(value).__name__}")


def same_value(field_type: FieldType, a: str | None, b: str | None) -> bool:
    """Whether two values of a property are the same to HubSpot.

    Absent and empty are the same; numbers compare as numbers, datetimes as instants (ISO 8601, a
    bare date, epoch milliseconds), booleans without regard to case, all others as text without
    surrounding blanks, which HubSpot doesn't keep.
    """
    left, right = (a or "").strip(), (b or "").strip()
    if left == right:
        return True
    if not left or not right:
        return False
    if field_type == "number":
        return _both_equal(_number(left), _number(right))
    if field_type == "datetime":
        return _both_equal(_instant_ms(left), _instant_ms(right))
    if field_type == "bool":
        return left.lower() == right.lower()
    return False


def _both_equal(a: Decimal | int | None, b: Decimal | int | None) -> bool:
    return a is not None and a == b


def _number(text: str) -> Decimal | None:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def _instant_ms(text: str) -> int | None:
    if text.lstrip("-").isdigit() and len(text) > 8:
        return int(text)
    moment = parse_time(text)
    if moment is None:
        return None
    elapsed = moment - _EPOCH
    return (elapsed.days * 86_400 + elapsed.seconds) * 1000 + elapsed.microseconds // 1000


def parse_time(text: str) -> datetime | None:
    """Read ISO 8601 as UTC, None when it isn't; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        return None


def epoch_ms(moment: datetime) -> int:
    """Whole milliseconds since 1970."""
    elapsed = moment - _EPOCH
    return (elapsed.days * 86_400 + elapsed.seconds) * 1000 + elapsed.microseconds // 1000
