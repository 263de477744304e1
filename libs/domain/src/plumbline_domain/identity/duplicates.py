"""One company entered twice: in the CRM, or as two billing customers. Found, never merged.

Candidates are pairs that share a key of the product's own index (`keys`); what speaks for and
against a pair is added up as log-odds, by a table of weights for each side (identity.md 7).
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import combinations
from typing import Final

from pydantic import BaseModel, ConfigDict

from plumbline_domain.identity.candidate import Weighed
from plumbline_domain.identity.compare import compare_names, information
from plumbline_domain.identity.index import Side
from plumbline_domain.identity.keys import FAN_OUT, KeyKind, customer_keys, record_keys
from plumbline_domain.identity.profile import Profile
from plumbline_domain.identity.weights import probability

SEARCHED: Final[frozenset[KeyKind]] = frozenset(
    {"email", "domain", "squash", "phone", "tax", "stripe", "pair"}
)
"""Kinds of keys that two of a side must share to be compared."""

_FEW: Final = 6


class PairWeights(BaseModel):
    """Weights of one side, in thousandths of a nat."""

    model_config = ConfigDict(frozen=True)

    bias: int
    pieces: Mapping[str, int]
    ask_at: float
    """Probability from which a person is asked."""


class DuplicateWeights(BaseModel):
    """What `bench/fit_duplicates.py` writes."""

    model_config = ConfigDict(frozen=True)

    version: str
    record: PairWeights
    customer: PairWeights

    def of(self, side: Side) -> PairWeights:
        """The table of a side."""
        return self.record if side == "record" else self.customer


@lru_cache(maxsize=1)
def shipped_pairs() -> DuplicateWeights:
    """The weights of this version of Plumbline."""
    text = (files("plumbline_domain.identity") / "data" / "duplicates.json").read_text("utf-8")
    return DuplicateWeights.model_validate(json.loads(text))


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Two that may be one, with all that speaks for and against it."""

    one: str
    other: str
    """Ids, the lower one first."""
    score: int
    probability: float
    evidence: tuple[Weighed, ...]


@dataclass(frozen=True)
class Crowds:
    """How many of a side hold each key, and who."""

    holders: Mapping[int, Sequence[str]]
    names: Mapping[str, int]
    """How many are called so, by squashed name."""


def crowds(side: Side, profiles: Iterable[Profile]) -> Crowds:
    """Who holds which key; each profile is read once."""
    holders: defaultdict[int, list[str]] = defaultdict(list)
    names: defaultdict[str, int] = defaultdict(int)
    keys_of = customer_keys if side == "customer" else record_keys
    for profile in profiles:
        if side == "record" and profile.individual:
            continue  # contacts: the vendor itself keeps their addresses apart
        for key, kind in keys_of(profile).items():
            if kind in SEARCHED:
                holders[key].append(profile.id)
        for squash in {form.squash for form in profile.names}:
            names[squash] += 1
    return Crowds(holders, names)


def pairs(found: Crowds) -> list[tuple[str, str]]:
    """Pairs that share a key which no crowd holds, sorted; the lower id first."""
    together = (sorted(ids) for ids in found.holders.values() if 1 < len(ids) <= FAN_OUT)
    return sorted({pair for ids in together for pair in combinations(ids, 2)})


def duplicates(
    side: Side, profiles: Sequence[Profile], weights: DuplicateWeights
) -> list[Duplicate]:
    """Pairs of a side that a person should look at, the likeliest first."""
    held = {profile.id: profile for profile in profiles}
    around = crowds(side, held.values())
    table = weights.of(side)
    made = (weigh(held[a], held[b], around, table) for a, b in pairs(around))
    asked = [one for one in made if one.probability >= table.ask_at]
    return sorted(asked, key=lambda one: (-one.score, one.one, one.other))


def one_each(found: Iterable[Duplicate], apart: Collection[frozenset[str]]) -> list[Duplicate]:
    """Of several that are all alike as many pairs as it takes to name each: n - 1, the likeliest.

    `apart` holds pairs that a person called two: they are left out, and hold nobody together.
    """
    leader: dict[str, str] = {}

    def lead(i: str) -> str:
        while i in leader:
            i = leader[i]
        return i

    kept = []
    for one in sorted(found, key=lambda one: (-one.score, one.one, one.other)):
        if frozenset((one.one, one.other)) in apart:
            continue
        ours, theirs = lead(one.one), lead(one.other)
        if ours != theirs:
            leader[theirs] = ours
            kept.append(one)
    return kept


def weigh(a: Profile, b: Profile, around: Crowds, table: PairWeights) -> Duplicate:
    """All that speaks for and against one company; the order of the two does not matter."""
    first, second = sorted((a, b), key=lambda profile: profile.id)
    evidence = tuple(
        Weighed(code, ours, theirs, table.pieces.get(code, 0))
        for code, ours, theirs in pair_pieces(first, second, around)
    )
    score = table.bias + sum(piece.weight for piece in evidence)
    return Duplicate(first.id, second.id, score, probability(score), evidence)


def pair_pieces(a: Profile, b: Profile, around: Crowds) -> Iterator[tuple[str, str, str]]:
    """Pieces of evidence: code, and what was seen of each. A missing value is no piece."""
    yield from _ids(a, b)
    yield from _reached(a, b)
    yield from _named(a, b, around)
    for what, ours, theirs in (("city", a.city, b.city), ("country", a.country, b.country)):
        if ours and theirs:
            yield f"{what}.{'same' if ours == theirs else 'other'}", ours, theirs
    if a.phone and b.phone:
        yield ("phone.same" if a.phone == b.phone else "phone.other"), a.phone, b.phone


def _ids(a: Profile, b: Profile) -> Iterator[tuple[str, str, str]]:
    if a.tax_ids and b.tax_ids:
        shared = sorted(set(a.tax_ids) & set(b.tax_ids))
        if shared:
            yield "tax.same", shared[0], shared[0]
        else:
            yield "tax.other", a.tax_ids[0], b.tax_ids[0]
    for customer in sorted(set(a.stripe_ids) & set(b.stripe_ids)):
        yield "stripe.same", customer, customer
        break
    if a.crm_id and a.crm_id == b.crm_id:
        yield "crm.same", a.crm_id, a.crm_id
    if a.parent_id == b.id or b.parent_id == a.id:
        yield "parent", a.id, b.id


def _reached(a: Profile, b: Profile) -> Iterator[tuple[str, str, str]]:
    """The strongest of what their addresses and domains say."""
    mails = {address.whole: address for address in b.addresses}
    for address in a.addresses:
        if address.whole in mails:
            code = "email.role" if address.role else f"email.{_kind(address.kind)}"
            yield code, address.whole, address.whole
            return
    ours, theirs = {*a.domains}, {*b.domains}
    wide, far = ours | {*a.contact_domains}, theirs | {*b.contact_domains}
    for code, shared in (("domain.same", ours & theirs), ("domain.contact", wide & far)):
        if shared:
            yield code, min(shared), min(shared)
            return
    if set(a.labels[:1]) & set(b.labels[:1]):
        yield "label.same", a.labels[0], b.labels[0]
    elif ours and theirs:
        yield "domain.other", min(ours), min(theirs)


def _kind(kind: str) -> str:
    return "personal" if kind == "personal" else "company"


def _named(a: Profile, b: Profile, around: Crowds) -> Iterator[tuple[str, str, str]]:
    match = compare_names(a.names, b.names, b.labels, lambda word: information(word, 1))
    if match is None:
        if a.person and b.person and a.person.squash == b.person.squash:
            yield "person.same", a.person.raw, b.person.raw
        return
    code = match.level
    if code == "same":
        count = around.names.get(match.ours.squash, 2)
        crowd = "two" if count <= 2 else "few" if count <= _FEW else "many"
        yield f"name.same_{crowd}", match.ours.raw, match.theirs.raw
    else:
        yield f"name.{code}", match.ours.raw, match.theirs.raw
    if match.ours.form and match.theirs.form:
        agree = "same" if match.ours.form == match.theirs.form else "other"
        yield f"form.{agree}", match.ours.form, match.theirs.form


_SENTENCES: Final[Mapping[str, str]] = {
    "tax.same": "both have the tax id {ours}",
    "tax.other": "their tax ids differ",
    "stripe.same": "billing customer {ours} stands on both",
    "crm.same": "both name the CRM record {ours}",
    "parent": "one is the other's parent",
    "email.company": "{ours} stands on both",
    "email.personal": "the personal mailbox {ours} stands on both",
    "email.role": "{ours} stands on both",
    "domain.same": "both have the domain {ours}",
    "domain.contact": "people of both write from {ours}",
    "domain.other": "their domains differ ({ours}, {theirs})",
    "label.same": "their domains have the same label {ours}",
    "name.same_two": "both are called {ours}, and nobody else is",
    "name.same_few": "both are called {ours}, as a few others are",
    "name.same_many": "both are called {ours}, as many others are",
    "name.reordered": "{ours} and {theirs} have the same words",
    "name.misspelt": "{ours} and {theirs} differ by spelling",
    "name.shortened": "{ours} is part of {theirs}",
    "name.extended": "{theirs} is part of {ours}",
    "name.label": "{ours} is the label of the other's domain",
    "name.initials": "{ours} and {theirs} share their initials",
    "name.branch": "{ours} and {theirs} differ by a place",
    "name.overlap": "{ours} and {theirs} share words",
    "name.different": "{ours} and {theirs} have nothing in common",
    "person.same": "both are {ours}",
    "form.same": "the legal form agrees ({ours})",
    "form.other": "the legal forms differ ({ours}, {theirs})",
    "phone.same": "the telephone number agrees",
    "phone.other": "the telephone numbers differ",
    "city.same": "the town agrees",
    "city.other": "the towns differ ({ours}, {theirs})",
    "country.same": "the country agrees",
    "country.other": "the countries differ ({ours}, {theirs})",
}


def duplicate_sentence(piece: Weighed) -> str:
    """What a piece says, for a person."""
    return _SENTENCES[piece.code].format(ours=piece.ours, theirs=piece.theirs)
