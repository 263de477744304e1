"""How much alike two names are, and how telling that is."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from rapidfuzz.distance import OSA
from rapidfuzz.fuzz import ratio

from plumbline_domain.identity.keys import initials
from plumbline_domain.identity.names import NameForm
from plumbline_domain.identity.word_lists import COMPANY_WORDS, PLACES

Level = Literal[
    "same", "reordered", "misspelt", "shortened", "extended", "label", "initials", "branch",
    "overlap", "different",
]  # fmt: skip
"""From most to least telling. shortened: the customer leaves words out; extended: it adds some;
branch: they differ by a country or region."""

LEVELS: Final[tuple[Level, ...]] = (
    "same", "reordered", "misspelt", "shortened", "extended", "label", "initials", "branch",
    "overlap", "different",
)  # fmt: skip
RANK: Final = {level: place for place, level in enumerate(LEVELS)}

FITS: Final[frozenset[Level]] = frozenset(LEVELS[:7])
"""Levels at which one party can call itself by both names."""

CALLED: Final[frozenset[Level]] = frozenset(LEVELS[:3])
"""Levels at which the names are the same, spelling and order apart."""

_FULL: Final = 10.0
_GENERIC: Final = 2.0
_CROWD: Final = 2.0
_TELLING: Final = 6.0
_ALIKE: Final = 60.0
"""Below this similarity (of 100) two names share no misspelt word worth looking for."""

Telling = Callable[[str], float]
"""What agreement on a word tells, in nats (`information` of the word and its count)."""


@dataclass(frozen=True, slots=True)
class NameMatch:
    """The best comparison of two parties' names."""

    level: Level
    information: float
    """Rarity of what agrees, in nats: about 10 for a word of one record, 2 for `logistics`."""
    ours: NameForm
    theirs: NameForm


class _Words(NamedTuple):
    """What agrees (nats), what of ours finds nothing (nats, letters), what of theirs is left."""

    told: float
    lost: float
    lost_letters: int
    misspelt: bool
    missing: list[str]


def information(word: str, count: int) -> float:
    """What agreement on a word tells: less the more records have it, little for a trade."""
    known = max(0.5, _FULL - _CROWD * math.log(max(count, 1)))
    if word in COMPANY_WORDS or len(word) == 1 or word.isdigit():
        return min(known, _GENERIC)
    return known


def compare_names(
    ours: tuple[NameForm, ...],
    theirs: tuple[NameForm, ...],
    labels: tuple[str, ...],
    tells: Telling,
) -> NameMatch | None:
    """The closest of all comparisons; None when either side has no name. `labels` are theirs."""
    best: NameMatch | None = None
    for a in ours:
        for b in theirs:
            level, told = _compare(a, b, tells)
            if level in ("overlap", "different") and a.squash in labels:
                level, told = "label", sum(map(tells, a.core))
            found = NameMatch(level, told, a, b)
            if best is None or _order(found) < _order(best):
                best = found
    return best


def _order(found: NameMatch) -> tuple[int, float]:
    return RANK[found.level], -found.information


def _compare(a: NameForm, b: NameForm, tells: Telling) -> tuple[Level, float]:
    if a.core == b.core or a.squash == b.squash or a.whole == b.whole:
        return "same", sum(map(tells, a.core))
    missing = list(b.core)
    told, lost, letters, misspelt = 0.0, 0.0, 0, False
    if PLACES.isdisjoint(a.core) != PLACES.isdisjoint(b.core):
        branch = _branch(a, b)
        if branch:
            return "branch", sum(map(tells, branch))
    alike = ratio(a.squash, b.squash) >= _ALIKE
    for word in a.core:
        if word in missing:
            missing.remove(word)
            told += tells(word)
            continue
        close = next((other for other in missing if _typo(word, other)), None) if alike else None
        if close is None:
            lost += tells(word)
            letters += len(word)
        else:
            missing.remove(close)
            misspelt = True
            told += tells(word)
    return _level(a, b, _Words(told, lost, letters, misspelt, missing))


def _branch(a: NameForm, b: NameForm) -> tuple[str, ...]:
    """The common name when two names differ by places only."""
    ours = tuple(word for word in a.core if word not in PLACES)
    theirs = tuple(word for word in b.core if word not in PLACES)
    return ours if ours and ours == theirs else ()


def _level(a: NameForm, b: NameForm, words: _Words) -> tuple[Level, float]:
    told, lost, missing = words.told, words.lost, words.missing
    level: Level = "different"
    if not missing and not lost:
        level = "misspelt" if words.misspelt else "reordered"
    elif (
        not _one_word_more(words)
        and min(len(a.squash), len(b.squash)) >= 5
        and ratio(a.squash, b.squash, score_cutoff=90) >= 90
    ):
        level, told = "misspelt", told + lost
    elif told and not lost:
        level = "shortened"
    elif told and not missing:
        level = "extended"
    else:
        return _by_letters(a, b, words)
    return level, told


def _one_word_more(words: _Words) -> bool:
    """Whether one name is the other and a whole word: however long it is, no error of typing."""
    if not words.told or words.misspelt or (words.lost and words.missing):
        return False
    return words.lost_letters > 2 or sum(map(len, words.missing)) > 2


def _by_letters(a: NameForm, b: NameForm, words: _Words) -> tuple[Level, float]:
    level: Level = "different"
    told = words.told
    if len(a.squash) >= 5 and (b.squash.startswith(a.squash) or b.whole.startswith(a.whole)):
        level, told = "shortened", words.told + words.lost
    elif len(b.squash) >= 5 and a.squash.startswith(b.squash):
        level, told = "extended", max(words.told, _TELLING)
    elif _initials(a, b) or _initials(b, a):
        level, told = "initials", _TELLING
    elif words.told > words.lost and words.told >= _TELLING:
        level, told = "overlap", words.told - words.lost
    return level, told


def _typo(a: str, b: str) -> bool:
    if len(a) < 4 or len(b) < 4 or abs(len(a) - len(b)) > 1:
        return False
    allowed = 1 if min(len(a), len(b)) < 9 else 2
    return bool(OSA.distance(a, b, score_cutoff=allowed) <= allowed)


def _initials(short: NameForm, long: NameForm) -> bool:
    if len(short.core) != 1 or not 2 <= len(short.squash) <= 6:
        return False
    return short.squash in (initials(long.core), "".join(w[0] for w in long.raw.lower().split()))


def telling(match: NameMatch) -> bool:
    """Whether what agrees is more than a trade or a crowded word."""
    return match.information >= _TELLING
