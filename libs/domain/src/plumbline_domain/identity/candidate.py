"""A record that may be the customer's, and what its evidence amounts to."""

from dataclasses import dataclass
from typing import Final, NamedTuple

from plumbline_domain.identity.compare import NameMatch


class Weighed(NamedTuple):
    """A piece of evidence with its weight in thousandths of a nat."""

    code: str
    ours: str
    theirs: str
    weight: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A record with all that speaks for and against it; `score` is bias + sum of weights."""

    record_id: str
    score: int
    probability: float
    evidence: tuple[Weighed, ...]
    match: NameMatch | None = None


def has(candidate: Candidate, codes: tuple[str, ...]) -> bool:
    """Whether a piece of one of these codes (or beginnings of codes) is there, not a plain one."""
    return any(
        piece.code.startswith(codes) and not piece.code.endswith("_plain")
        for piece in candidate.evidence
    )


_OWN_DOMAIN: Final = ("email.", "domain.owners", "domain.named", "domain.contact")
_APART: Final = frozenset({"phone.same", "contact.full"})
_PLACED: Final = frozenset({"country.same", "city.same"})
_CORROBORATE: Final = frozenset(
    {"phone.same", "label.same", "label.name", "label.close", "label.affix", "contact.full"}
)


def only_alike(candidate: Candidate) -> bool:
    """Label and name agree, the domain does not, and nothing else says that it is the same one.

    Two companies of one name own the same label under two endings often enough.
    """
    codes = {piece.code for piece in candidate.evidence}
    if any(code.startswith(_OWN_DOMAIN) for code in codes) or not codes.isdisjoint(_APART):
        return False
    if "form.other" in codes:
        return True
    return not codes.isdisjoint({"label.same", "label.affix"}) and codes.isdisjoint(_PLACED)


def corroborated(candidate: Candidate) -> bool:
    """Whether anything but the name speaks for it: domain, label, mail, phone, or name + town."""
    codes = {piece.code for piece in candidate.evidence}
    if any(code.startswith(_OWN_DOMAIN) for code in codes):
        return True
    if not codes.isdisjoint(_CORROBORATE):
        return True
    return "city.same" in codes and any(code.startswith("name.same") for code in codes)
