"""JSON of vendors, decoded so that no amount, no character and no nesting can hurt later.

- Numbers stay exact: whole ones are ints of any size, all others `Decimal`; none is ever a float.
- U+0000, which PostgreSQL can't hold in text, is left out of every string and key; half a surrogate
  pair, which UTF-8 can't hold, becomes U+FFFD.
- Nesting beyond what Python's stack takes is refused with `TooDeep`.
"""

import json
import re
from decimal import Decimal
from typing import Any, ClassVar, Final, NoReturn

import msgspec
from plumbline_schemas.dead_letter import DeadLetterReason

_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)
_UNSTORABLE: Final = re.compile("\x00")
_HALF_PAIR: Final = re.compile("[\ud800-\udfff]")


class Undecodable(ValueError):  # noqa: N818 - named like its siblings, which are the contract
    """A body that holds no event; `reason` is the dead letter's."""

    reason: ClassVar[DeadLetterReason] = "invalid"


class NotJson(Undecodable):
    """The body isn't JSON in UTF-8."""

    reason: ClassVar[DeadLetterReason] = "not_json"


class NotAnEvent(Undecodable):
    """The body is JSON, yet not what the vendor delivers."""

    reason: ClassVar[DeadLetterReason] = "not_an_event"


class TooDeep(Undecodable):
    """The body nests deeper than anything a vendor sends."""

    reason: ClassVar[DeadLetterReason] = "too_deep"


def decode_json(body: bytes) -> Any:
    """Decode as the module says; raises NotJson or TooDeep."""
    try:
        value = _decode(body)
        return _storable(value) if b"\\u0000" in body else value
    except RecursionError as error:
        raise TooDeep("JSON is nested too deep") from error


def text_is_storable(body: bytes) -> bool:
    """Whether no string of this JSON can hold U+0000 or half a surrogate pair."""
    # One search in place of three for nearly every body: it holds no escape at all.
    return b"\\u" not in body or not (b"\\u0000" in body or b"\\ud" in body or b"\\uD" in body)


def _decode(body: bytes) -> Any:
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if text_is_storable(body):
            raise NotJson(f"not JSON: {error}") from error
    # Half a surrogate pair is legal JSON and common where JavaScript cut an emoji in two; only the
    # standard library decodes it.
    try:
        return _whole_pairs(json.loads(body, parse_float=Decimal, parse_constant=_no_constant))
    except ValueError as error:
        raise NotJson(f"not JSON: {error}") from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _storable(value: Any) -> Any:
    return _map_text(value, _UNSTORABLE, "")


def _whole_pairs(value: Any) -> Any:
    return _map_text(value, _HALF_PAIR, "\ufffd")


def _map_text(value: Any, pattern: re.Pattern[str], replacement: str) -> Any:
    if isinstance(value, str):
        return pattern.sub(replacement, value)
    if isinstance(value, list):
        return [_map_text(item, pattern, replacement) for item in value]
    if isinstance(value, dict):
        return {
            pattern.sub(replacement, name): _map_text(item, pattern, replacement)
            for name, item in value.items()
        }
    return value
