"""Countries as CRMs hold them: a code, or a name that somebody typed."""

import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Final

from plumbline_domain.identity.text import clean, words

_TABLE: Final[dict[str, list[str]]] = tomllib.loads(
    (files("plumbline_domain.identity") / "data" / "countries.toml").read_text("utf-8")
)
_CODES: Final = {name: code for code, names in _TABLE.items() for name in names}
_LETTERS: Final = 2


@lru_cache(maxsize=4096)
def country_code(text: str | None) -> str:
    """The ISO code of a country, empty when it is not known: a mere spelling tells nothing apart.

    Two letters are a code, whatever they are; names come from `data/countries.toml`.
    """
    plain = clean(text)
    code = plain.upper()
    if len(code) == _LETTERS and code.isascii() and code.isalpha():
        return {"UK": "GB"}.get(code, code)
    return _CODES.get(" ".join(words(plain)), "")
