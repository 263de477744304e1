"""Typed reading of decoded parameters, with Stripe's messages for unfit ones."""

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

from plumbline_simulators.stripe.errors import StripeError, invalid, required

Params = dict[str, Any]


def text(params: Params, name: str) -> str | None:
    """A string; an empty one unsets, as Stripe reads `name=`."""
    value = params.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise invalid(name, f"Invalid string: {value}")
    return value


def needed(params: Params, name: str) -> str:
    value = text(params, name)
    if value is None:
        raise required(name)
    return value


def integer(params: Params, name: str, *, at_least: int | None = None) -> int | None:
    value = text(params, name)
    if value is None:
        return None
    try:
        number = int(value)
    except ValueError as error:
        raise invalid(name, f"Invalid integer: {value}", "parameter_invalid_integer") from error
    if at_least is not None and number < at_least:
        raise invalid(
            name,
            f"This value must be greater than or equal to {at_least}.",
            "parameter_invalid_integer",
        )
    return number


def boolean(params: Params, name: str) -> bool | None:
    value = text(params, name)
    if value is None:
        return None
    if value not in ("true", "false"):
        raise invalid(name, f"Invalid boolean: {value}")
    return value == "true"


def choice(params: Params, name: str, allowed: Iterable[str]) -> str | None:
    value = text(params, name)
    if value is not None and value not in allowed:
        listed = ", ".join(allowed)
        raise invalid(name, f"Invalid {name}: must be one of {listed}")
    return value


def decimal(params: Params, name: str) -> Decimal | None:
    value = text(params, name)
    if value is None:
        return None
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise invalid(name, f"Invalid decimal: {value}") from error
    if not number.is_finite():
        raise invalid(name, f"Invalid decimal: {value}")
    return number


def mapping(params: Params, name: str) -> Params:
    value = params.get(name)
    if value is None or value == "":
        return {}
    if not isinstance(value, dict):
        raise StripeError(400, "Invalid object", param=name)
    return value


def sequence(params: Params, name: str) -> list[Any]:
    value = params.get(name)
    if value is None or value == "":
        return []
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list):
        raise StripeError(400, "Invalid array", param=name)
    return value


def merged_metadata(current: dict[str, str], params: Params) -> dict[str, str]:
    """Keys given are set, keys given empty are removed, `metadata=` removes all."""
    if params.get("metadata") == "":
        return {}
    merged = dict(current)
    for key, value in mapping(params, "metadata").items():
        if not isinstance(value, str):
            raise invalid(f"metadata[{key}]", "Metadata values must be strings")
        if len(key) > 40 or len(value) > 500:
            raise invalid(f"metadata[{key}]", "Metadata: 40 characters a key, 500 a value")
        if value == "":
            merged.pop(key, None)
        else:
            merged[key] = value
    return merged
