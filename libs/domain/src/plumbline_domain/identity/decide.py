"""The decision about one customer: link, ask a person, or nothing (identity.md 7, Decide)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import exp
from typing import Final, Literal

from plumbline_domain.identity.candidate import Candidate, Weighed, corroborated, has, only_alike
from plumbline_domain.identity.compare import CALLED, FITS, telling
from plumbline_domain.identity.evidence import Scene, pieces
from plumbline_domain.identity.identifiers import IdentifierMethod, identified, of_mailbox
from plumbline_domain.identity.index import Neighbourhood
from plumbline_domain.identity.keys import FAN_OUT, KIND_VALUE
from plumbline_domain.identity.portrait import NO_DOMAIN, Portrait, paint, same_company
from plumbline_domain.identity.profile import Profile
from plumbline_domain.identity.weights import Weights, probability, total

Outcome = Literal["auto", "review", "none"]
Method = IdentifierMethod | Literal["evidence"]

SHOWN: Final = 3
"""Candidates a reviewer sees."""

SCORED: Final = 10
"""Candidates that are compared in full; the others share less with the customer."""

SHARE: Final = 0.1
"""What a candidate must share with the customer, of what the nearest one shares, to be compared."""

WORTH_SHOWING: Final = 0.01
"""Probability from which a further candidate of a review is shown."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a customer. `reasons` say why it is not linked, or why by an identifier."""

    customer_id: str
    outcome: Outcome
    record_id: str | None = None
    method: Method | None = None
    candidates: tuple[Candidate, ...] = ()
    reasons: tuple[str, ...] = ()
    portrait: Portrait = NO_DOMAIN


def decide(
    customer: Profile,
    around: Neighbourhood,
    weights: Weights,
    *,
    cannot: Collection[str] = (),
    identifiers_only: bool = False,
) -> Decision:
    """Decide about `customer`; `cannot` are records that a person ruled out for it.

    `identifiers_only`: while a book is still being read, nothing else links (design 6).
    """
    portrait = paint(customer, around)
    scene = Scene(around.records, portrait, around.record_profiles)
    named = identified(customer, around, cannot)
    if named is None and customer.individual and not identifiers_only:
        named = of_mailbox(customer, around, cannot)
    if identifiers_only and named is None:
        return Decision(customer.id, "none", reasons=("the books are not complete yet",))
    ids = [
        i
        for i in _shortlist(customer, around, cannot)
        if i not in around.record_profiles
        or around.record_profiles[i].individual == customer.individual
    ]
    if named is not None and named[0] not in ids:
        ids = [named[0], *ids]
    scored = [
        weigh(customer, around.record_profiles[i], scene, weights)
        for i in ids
        if i in around.record_profiles
    ]
    scored.sort(key=lambda c: (-c.score, c.record_id))
    if named is not None:
        return _by_identifier(customer, named, scored, portrait, weights)
    if customer.individual:
        return Decision(customer.id, "none", portrait=portrait)
    return _by_evidence(customer, scored, around, portrait, weights)


def weigh(customer: Profile, record: Profile, scene: Scene, weights: Weights) -> Candidate:
    """The score of one pair."""
    found, match = pieces(customer, record, scene)
    weighed = tuple(Weighed(*piece, weights.of(piece.code)) for piece in found)
    score = total(weights, (piece.code for piece in found))
    return Candidate(record.id, score, probability(score), weighed, match)


def _shortlist(customer: Profile, around: Neighbourhood, cannot: Collection[str]) -> list[str]:
    values = nearness(customer, around, cannot)
    if not values:
        return []
    least = SHARE * max(values.values())
    near = [i for i, value in values.items() if value >= least]
    near.sort(key=lambda i: (-values[i], i))
    return near[:SCORED]


def nearness(
    customer: Profile, around: Neighbourhood, cannot: Collection[str] = ()
) -> dict[str, float]:
    """What each record shares with the customer by its keys; crowded keys count less."""
    values: dict[str, float] = {}
    postings = around.records
    for key, kind in around.keys_of(customer).items():
        posting = postings.get(key)
        if posting is None:
            continue
        count = len(posting.ids)
        if count > FAN_OUT and kind != "domain":
            continue
        value = KIND_VALUE[kind] / (1.0 + 0.1 * count)
        for i in posting.ids:
            values[i] = values.get(i, 0.0) + value
    for i in cannot:
        values.pop(i, None)
    return values


def _by_identifier(
    customer: Profile,
    named: tuple[str, IdentifierMethod],
    scored: list[Candidate],
    portrait: Portrait,
    weights: Weights,
) -> Decision:
    record_id, method = named
    mine = next(c for c in scored if c.record_id == record_id)
    others = [c for c in scored if c.record_id != record_id]
    against = bool(
        method == "crm_id"
        and others
        and others[0].probability >= weights.auto_at
        and mine.probability < weights.review_at
        and corroborated(others[0])
    )
    if against:
        reason = "the customer's metadata names one record, its domain and name another"
        shown = (mine, *others)[:SHOWN]
        return Decision(customer.id, "review", None, None, shown, (reason,), portrait)
    shown = (mine, *others)[:SHOWN]
    return Decision(customer.id, "auto", record_id, method, shown, (), portrait)


def _by_evidence(
    customer: Profile,
    scored: list[Candidate],
    around: Neighbourhood,
    portrait: Portrait,
    weights: Weights,
) -> Decision:
    plausible = [c for c in scored if c.probability >= weights.review_at]
    if not plausible and among(scored[:SHOWN]) >= weights.review_at:
        plausible = scored[:1]
    if not plausible:
        torn = _torn(scored)
        if torn:
            reason = "the domain is one record's, the name another's"
            return Decision(customer.id, "review", None, None, torn, (reason,), portrait)
        owners = tuple(c for c in scored if has(c, ("domain.owners",)))[:SHOWN]
        if len(owners) > 1 and not portrait.hub and _unsaid(customer, owners):
            reason = f"{portrait.domain} is the domain of several records, and no name tells which"
            return Decision(customer.id, "review", None, None, owners, (reason,), portrait)
        return Decision(customer.id, "none", candidates=tuple(scored[:SHOWN]), portrait=portrait)
    best = plausible[0]
    winner = around.record_profiles[best.record_id]
    rivals = [
        c for c in scored[1:] if not same_company(winner, around.record_profiles[c.record_id])
    ]
    rival = share(best, rivals) < weights.auto_at
    reasons = _objections(customer, best, rival, portrait, weights)
    if _called_otherwise(customer, best, scored, around):
        reasons += ("the name is another record's",)
    if reasons:
        shown = _shown([c for c in scored if c.probability >= WORTH_SHOWING], around)
        return Decision(customer.id, "review", None, None, shown, reasons, portrait)
    return Decision(
        customer.id, "auto", best.record_id, "evidence", tuple(plausible[:SHOWN]), (), portrait
    )


def _unsaid(customer: Profile, owners: Sequence[Candidate]) -> bool:
    """Whether the customer does not say which of a domain's records it is: it names nobody, or
    what it calls itself is like the names of several of them."""
    like = [c for c in owners if c.match is not None and c.match.level != "different"]
    return not customer.names or len(like) > 1


def among(candidates: Sequence[Candidate]) -> float:
    """The probability that one of a few candidates is the customer: their odds, added up."""
    together = sum(map(odds, candidates))
    return together / (1.0 + together)


def share(best: Candidate, rivals: Sequence[Candidate]) -> float:
    """The probability of the best among its rivals and no record at all."""
    return odds(best) / (1.0 + odds(best) + sum(map(odds, rivals)))


def odds(candidate: Candidate) -> float:
    """The odds of a candidate to no record at all."""
    return exp(min(30.0, candidate.score / 1000))


def _called_otherwise(
    customer: Profile, best: Candidate, scored: list[Candidate], around: Neighbourhood
) -> bool:
    """Whether another company has the customer's very name and the best has not; a name that is
    the best's own web address is the best's."""
    if best.match is None or best.match.level in CALLED or has(best, ("email.",)):
        return False
    winner = around.record_profiles[best.record_id]
    if not set(customer.hosts).isdisjoint(winner.domains):
        return False
    return any(
        c is not best
        and c.match is not None
        and c.match.level in CALLED
        and telling(c.match)
        and not same_company(winner, around.record_profiles[c.record_id])
        for c in scored
    )


def _torn(scored: list[Candidate]) -> tuple[Candidate, ...]:
    """(whose name it is, whose domain it is) when they are two records; none alone is plausible."""
    named = next((c for c in scored if has(c, ("name.same1", "name.same2"))), None)
    based = next(
        (c for c in scored if has(c, ("domain.owners", "domain.named", "domain.contact"))), None
    )
    if named is None or based is None or named is based:
        return ()
    return named, based


def _shown(scored: list[Candidate], around: Neighbourhood) -> tuple[Candidate, ...]:
    """The best of each company first: a duplicate of one shown tells the reviewer nothing."""
    kept: list[Candidate] = []
    rest: list[Candidate] = []
    for candidate in scored[: 3 * SHOWN]:
        profile = around.record_profiles[candidate.record_id]
        twin = any(same_company(profile, around.record_profiles[c.record_id]) for c in kept)
        (rest if twin else kept).append(candidate)
    return tuple((*kept, *rest)[:SHOWN])


def _objections(
    customer: Profile,
    best: Candidate,
    rival: bool,
    portrait: Portrait,
    weights: Weights,
) -> tuple[str, ...]:
    found = []
    if best.probability < weights.auto_at:
        found.append("the evidence is not strong enough")
    elif rival:
        found.append("another record fits about as well")
    if not corroborated(best):
        found.append("nothing but the name speaks for it")
    elif only_alike(best):
        found.append("the domain is only like the record's")
    if customer.suspicious:
        found.append("the address is the workspace's own or a throw-away one")
    fits = best.match is not None and best.match.level in FITS
    if portrait.hub and not fits:
        found.append(f"{portrait.domain} pays for several companies")
    if portrait.pays and not customer.names and not has(best, ("email.", "phone.same")):
        found.append(f"{portrait.domain} pays for another record, and this one names no company")
    if has(best, ("name.other", "name.clash")) and not has(best, ("email.", "phone.same")):
        found.append("the name is not the record's")
    if any(piece.code == "domain.elsewhere" for piece in best.evidence):
        found.append(f"{portrait.domain} belongs to another record")
    return tuple(found)
