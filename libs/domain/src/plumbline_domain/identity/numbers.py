"""Telephone numbers and tax ids, reduced to what identifies (identity.md 7)."""

import re
from functools import lru_cache
from typing import Final

import phonenumbers
from stdnum.eu import vat
from stdnum.exceptions import ValidationError

PHONE_DIGITS: Final = 9
_DIGITS: Final = re.compile(r"\D+")
_LETTERED: Final = re.compile(r"^[A-Z]{2}[A-Z0-9]{6,}$")


@lru_cache(maxsize=65536)
def phone_tail(text: str | None, country: str | None) -> str | None:
    """The last 9 digits of a number, trunk prefix and extension gone; None when it is none."""
    if not text or len(text) > 60:
        return None
    try:
        number = phonenumbers.parse(text, country or None)
        digits = f"{number.country_code}{number.national_number}"
    except phonenumbers.NumberParseException:
        digits = _DIGITS.sub("", text)
    tail = digits[-PHONE_DIGITS:]
    return tail if len(tail) >= 8 and len(set(tail)) > 2 else None


def tax_id(text: str | None) -> str | None:
    """A tax id in compact form: a European VAT number checked by its own rules, else 8+ signs."""
    compact = re.sub(r"[\s.\-/]", "", text or "").upper()
    if not compact:
        return None
    try:
        checked: str = vat.validate(compact)
    except ValidationError:
        known = _LETTERED.match(compact) and compact[:2].lower() in vat.MEMBER_STATES
        return None if known or not 8 <= len(compact) <= 20 else compact
    return checked
