"""A written name as a form that can be compared (identity.md 7: company name)."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from rapidfuzz.distance import OSA

from plumbline_domain.identity.text import clean, words
from plumbline_domain.identity.word_lists import (
    COMPANY_WORDS,
    GIVEN_NAMES,
    INNER_FORMS,
    JUNK_NAMES,
    LEGAL_FORMS,
    LONGEST_FORM,
    PLACES,
    STOP_WORDS,
)

NameKind = Literal["company", "person", "unclear", "junk"]

_BRACKETS: Final = re.compile(r"[(\[（【]([^)\]）】]*)[)\]）】]?")  # noqa: RUF001 - as written
_ALSO: Final = re.compile(
    r"\s*[(,;-]?\s*\b(?:d/b/a|dba|t/a|a/k/a|aka|trading as|formerly(?: known as)?|vormals|"
    r"previously|ex)\b[:.]?\s*",
    re.IGNORECASE,
)
"""What stands between a company's name and a further one of its own."""
_PAYS_FOR: Final = re.compile(
    r"\s*\b(?:c/o|via|on behalf of|obo|for account of|att[n.:]|z\.\s?hd\.)\b\s*",
    re.IGNORECASE,
)
_SPLIT_AT: Final = re.compile(
    r"[^\w\s.&'+]|\b(?:via|behalf|obo|account|attn?|hd|dba|aka|trading|formerly|vormals|previously|ex)\b",
    re.IGNORECASE,
)
"""Signs and words without which a name has one part: most names, which then need no splitting."""
_TAIL: Final = re.compile(r"(?:\s[-–—|/]\s|,\s|\s@\s)")  # noqa: RUF001 - dashes as written
_HOST: Final = re.compile(
    r"^(?:https?://)?(?:www\.)?((?:[\w-]+\.)+[a-z]{2,})(?:/.*)?$", re.IGNORECASE
)
_ADDRESS: Final = re.compile(r"[^\s<>()\[\],;:@]+@[\w-]+(?:\.[\w-]+)+")
_LEFT_OVER: Final = re.compile(r"[(\[<]\s*[)\]>]")
_CAMEL: Final = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])")
_LONG: Final = ("limited", "corporation", "incorporated", "company", "aktiengesellschaft")
"""Legal forms long enough to be told through a typing error."""
_LETTERS: Final = re.compile(r"[^\W\d_]")


@dataclass(frozen=True, slots=True)
class NameForm:
    """A name, reduced. `core` is what tells it apart: words without legal form and stop words."""

    raw: str
    kind: NameKind
    core: tuple[str, ...]
    squash: str
    """The core without spaces: `brightloop`."""
    whole: str
    """All words without the legal form, closed up; `the` and `and` stay."""
    form: str = ""
    """The legal form, closed up; empty when none is written."""
    hints: tuple[str, ...] = ()
    """Raw texts split off: in brackets, behind a dash, the party behind `c/o` or `via`."""
    also: tuple[str, ...] = ()
    """Raw further names of the same company: behind `formerly`, `dba`, `trading as`."""


EMPTY: Final = NameForm("", "junk", (), "", "")


def host_in_name(text: str) -> str | None:
    """The host, when a name is nothing but a web address (`acme.de` typed as a name)."""
    found = _HOST.match(text)
    return found[1].lower() if found and " " not in text else None


@lru_cache(maxsize=65536)
def read_name(text: str | None) -> NameForm:
    """The form of a name as written; `EMPTY`-like (kind junk) when it tells nothing."""
    raw = _without_address(clean(text))
    if not raw or not _LETTERS.search(raw):
        return _digits_only(raw)
    also: list[str] = []
    kept: str = raw
    hints: tuple[str, ...] = ()
    if _SPLIT_AT.search(raw):
        main, *also = (part.strip(" )") for part in _ALSO.split(raw))
        kept, hints = _split(main or raw)
    tokens = words(kept) or words(raw)
    tokens, form = strip_form(tokens)
    if not form and len(tokens) == 1:
        tokens, form = _closed_up(kept, tokens)
    core = tuple(word for word in tokens if word not in STOP_WORDS) or tokens
    if core and core != tokens and len(tokens) == 2 and tokens[0] in GIVEN_NAMES:
        core = tokens  # a family name may be an article: Denise Le
    squash = "".join(core)
    whole = "".join(tokens)
    if not squash or _is_junk(core):
        return NameForm(raw, "junk", (), "", "", form, hints)
    return NameForm(raw, _kind(raw, core, form), core, squash, whole, form, hints, tuple(also))


def _without_address(raw: str) -> str:
    """An e-mail address names nobody that the address itself does not: `Ann <ann@acme.example>`."""
    if "@" not in raw:
        return raw
    outside = _ADDRESS.sub(" ", raw)
    if outside == raw:
        return raw
    return " ".join(_LEFT_OVER.sub(" ", outside).split()).strip(" -,;:|/<>")


def addresses_in(text: str | None) -> tuple[str, ...]:
    """The e-mail addresses that somebody typed into a name."""
    return tuple(_ADDRESS.findall(clean(text))) if text and "@" in text else ()


def _digits_only(raw: str) -> NameForm:
    """Names such as `1-800` or a telephone number are junk; `24 7` too."""
    return NameForm(raw, "junk", (), "", "") if raw else EMPTY


def _split(raw: str) -> tuple[str, tuple[str, ...]]:
    hints: list[str] = []
    bracketed = _BRACKETS.findall(raw)
    if bracketed:
        outside = _BRACKETS.sub(" ", raw).strip(" -,")
        if outside:
            hints += [hint for hint in bracketed if hint.strip()]
            raw = outside
    parts = _PAYS_FOR.split(raw)
    named = [part.strip(" -,;:") for part in parts if part.strip(" -,;:")]
    if len(named) > 1:
        hints += named[1:]
    elif not named:
        return raw, tuple(hints)
    kept = named[0]
    pieces = _TAIL.split(kept)
    if len(pieces) > 1:
        tail = pieces[-1]
        if len(tail.split()) <= 3 and not _only_form(words(tail)):
            hints.append(tail)
            kept = kept[: kept.rindex(tail)].rstrip(" -–—|/,@")  # noqa: RUF001 - dashes as written
    return kept or raw, tuple(hints)


def _only_form(tokens: tuple[str, ...]) -> bool:
    return " ".join(tokens) in LEGAL_FORMS or not strip_form(("x", *tokens))[0][1:]


def strip_form(tokens: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """`tokens` without legal forms at the end (several) or in front (one), and the forms."""
    form: list[str] = []
    while len(tokens) > 1:
        cut = _form_at(tokens, last=True)
        if cut == 0:
            break
        form = [*tokens[-cut:], *form]
        tokens = tokens[:-cut]
    cut = _form_at(tokens, last=False) if len(tokens) > 1 and len(tokens[0]) > 1 else 0
    if cut:
        form = [*tokens[:cut], *form]
        tokens = tokens[cut:]
    while len(tokens) > 1 and tokens[-1] in ("and", "co") and form:
        tokens = tokens[:-1]
    if len(tokens) > 1 and not form and _misspelt_form(tokens[-1]):
        form, tokens = [tokens[-1]], tokens[:-1]
    inner = [word for word in tokens[1:] if word in INNER_FORMS]
    if inner:
        form = [*inner, *form]
        tokens = (tokens[0], *(word for word in tokens[1:] if word not in INNER_FORMS))
    return tokens, "".join(form)


def _closed_up(text: str, tokens: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """`HuntFurnitureLLC` without its form; names without one stay one word."""
    parts, form = strip_form(words(_CAMEL.sub(" ", text)))
    return (parts, form) if form else (tokens, "")


@lru_cache(maxsize=65536)
def _misspelt_form(word: str) -> bool:
    return len(word) > 5 and any(OSA.distance(word, form, score_cutoff=1) == 1 for form in _LONG)


def _form_at(tokens: tuple[str, ...], *, last: bool) -> int:
    for size in range(min(LONGEST_FORM, len(tokens) - 1), 0, -1):
        part = tokens[-size:] if last else tokens[:size]
        if " ".join(part) in LEGAL_FORMS and (last or part[0] not in ("company", "co", "se")):
            return size
    return 0


def _is_junk(core: tuple[str, ...]) -> bool:
    if all(word in JUNK_NAMES or word in INNER_FORMS or word.isdigit() for word in core):
        return True
    joined = "".join(core)
    return len(joined) < 2 or len(set(joined)) == 1 or joined in JUNK_NAMES


def _kind(raw: str, core: tuple[str, ...], form: str) -> NameKind:
    if form or any(word in COMPANY_WORDS or word in PLACES for word in core) or "&" in raw:
        return "company"
    if 2 <= len(core) <= 4 and core[0] in GIVEN_NAMES and not any(map(str.isdigit, raw)):
        return "person"
    return "unclear"
