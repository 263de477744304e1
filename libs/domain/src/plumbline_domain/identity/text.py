"""Text as people type it, reduced to lower-case ASCII words (identity.md 7, Normalise)."""

import re
import unicodedata
from functools import lru_cache
from typing import Final

from anyascii import anyascii

NORM_VERSION: Final = 6
"""Stands with every stored key and profile; a change of any rule of normalisation raises it."""

MAX_TEXT: Final = 300
"""Characters of a name that are looked at: no company's name is longer, some field values are."""

_WORD: Final = re.compile(r"[a-z0-9]+")
_SPACED: Final = re.compile(r"\s+")
_DOTTED: Final = re.compile(r"\b(?:[a-z]\.){2,}(?:[a-z]\b\.?)?|\b[a-z](?:/[a-z])+\b")
_JOINERS: Final = str.maketrans(
    {"'": "", "\u2019": "", "`": "", "\u00b4": "", "&": " and ", "+": " and "}
)


_CJK_FORMS: Final = re.compile(
    r"(株式会社|有限会社|合同会社|股份有限公司|有限公司|公司|주식회사|유한회사|㈜)"
)


def clean(text: str | None) -> str:
    """NFKC without control, format and symbol characters, spaces single, at most MAX_TEXT long."""
    if not text:
        return ""
    head = text[: 4 * MAX_TEXT]
    if not head.isascii():
        head = unicodedata.normalize("NFKC", head)
        head = _CJK_FORMS.sub(r" \1 ", head)
    if not head.isprintable():
        head = "".join(" " if _unseen(letter) else letter for letter in head)
    return _SPACED.sub(" ", head).strip()[:MAX_TEXT]


def _unseen(letter: str) -> bool:
    return unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def fold(text: str) -> str:
    """`text` in lower-case ASCII: accents dropped, other scripts transliterated."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text)
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    if not plain.isascii():
        plain = "".join(_letter(letter) for letter in plain)
    return plain.lower()


@lru_cache(maxsize=65536)
def _letter(letter: str) -> str:
    if letter.isascii():
        return letter
    kind = unicodedata.category(letter)
    if kind.startswith(("L", "N")):
        roman: str = anyascii(letter)
        return roman
    return " " if kind.startswith(("S", "P", "Z")) else ""


def words(text: str) -> tuple[str, ...]:
    """The words of cleaned text: `S.p.A.`, `N.V.` and `S/A` are one word each, `&` is `and`."""
    plain = fold(text).translate(_JOINERS)
    if "." in plain or "/" in plain:
        plain = _DOTTED.sub(lambda found: re.sub(r"[./]", "", found[0]) + " ", plain)
    return tuple(_WORD.findall(plain))
