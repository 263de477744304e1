"""What a decision of identity says in words: why a link is there, or what a person is asked."""

import json
from typing import Any, Final

from plumbline_domain.identity.candidate import Candidate, Weighed, has
from plumbline_domain.identity.decide import SHOWN, Decision
from plumbline_domain.identity.explain import sentence
from plumbline_domain.identity.profile import Profile
from plumbline_domain.identity.text import NORM_VERSION
from plumbline_domain.identity.weights import shipped
from plumbline_schemas.ids import AccountId, ExternalKey

from matcher.documents import Doubt
from matcher.identity_parties import key_in, local_id
from matcher.rows import Grounds, Ruling
from matcher.snapshot import Snapshot

CREATING: Final = frozenset({"create", "hybrid"})
"""Policies that create records."""

_TOLD: Final = 4
"""Pieces of evidence in a link's sentence, the strongest ones."""


def grounds_of(customer: Profile, decision: Decision) -> Grounds:
    """Why the customer is linked as decided; the proof reproduces the score."""
    record = "" if decision.record_id is None else decision.record_id.rpartition("/")[2]
    if decision.method == "crm_id":
        return Grounds("crm_id", f"the customer's metadata names CRM record {record}")
    if decision.method == "stripe_id":
        text = f"Stripe customer {customer.vendor_id} stands on the CRM record"
        return Grounds("stripe_id", text)
    if decision.method == "tax_id":
        return Grounds("tax_id", f"CRM record {record} has the customer's tax id")
    if decision.method == "email":
        return Grounds("email", f"contact {record} has the customer's very address")
    winner = next(c for c in decision.candidates if c.record_id == decision.record_id)
    told = "; ".join(_plain(piece) for piece in _ranked(winner)[:_TOLD])
    return Grounds("evidence", told, json.dumps(_proof(winner), sort_keys=True))


def person_grounds(ruling: Ruling) -> Grounds:
    """Why a link is there that a person decided."""
    text = f"decided by {ruling.decided_by}"
    if ruling.action == "subsidiary" and ruling.other is not None:
        text += f": a subsidiary of CRM record {ruling.other.split('/', 3)[3]}"
    return Grounds("person", text, None, ruling.decided_by)


def doubt_of(
    snapshot: Snapshot, account: AccountId, customer: ExternalKey, decision: Decision
) -> Doubt | None:
    """What a person is asked about a customer; None when nothing is to be asked."""
    profile = snapshot.identity.profile("customer", local_id(customer))
    if profile is None or not _asks(snapshot):
        return None
    name = _name(profile)
    if snapshot.rulings.creates(customer):
        return None
    details = _details(snapshot, account, customer, decision)
    if decision.outcome != "review":
        return _missed(snapshot, account, customer, f"{name or profile.vendor_id}", details)
    shown = details["candidates"]
    first = shown[0]["name"] or shown[0]["record"].rpartition("/")[2] if shown else "no record"
    reason = decision.reasons[0] if decision.reasons else "it is not certain"
    return Doubt(f"{name or profile.vendor_id} may be {first}: {reason}", details)


def _missed(
    snapshot: Snapshot,
    account: AccountId,
    customer: ExternalKey,
    name: str,
    details: dict[str, Any],
) -> Doubt | None:
    """Its record was taken out of the CRM, and by the policy another one would be created.

    Whoever deleted it did not want that; so it is asked until the customer is linked again.
    """
    config = snapshot.workspace.config
    if config is None or config.unmatched not in CREATING:
        return None
    held = snapshot.accounts[account].attention.get(f"review_match|{customer}")
    known = None if held is None else held.get("details", {}).get("deleted")
    record = snapshot.findings.lost.get(account, known)
    if record is None:
        return None
    reason = f"its CRM record {record.rpartition('/')[2]} was deleted: decide whether to create it"
    return Doubt(f"{name}: {reason}", {**details, "reasons": [reason], "deleted": record})


def question_of(
    snapshot: Snapshot, account: AccountId, customer: ExternalKey, decision: Decision
) -> Doubt:
    """What a person is asked about an established link that news speak against."""
    record = next(iter(snapshot.records_of(account)), None)
    linked = "no record" if record is None else f"CRM record {record.rpartition('/')[2]}"
    other = decision.record_id or decision.candidates[0].record_id
    reason = f"linked to {linked}, but it looks like CRM record {other.rpartition('/')[2]} now"
    details = _details(snapshot, account, customer, decision)
    details["reasons"] = [reason, *decision.reasons]
    return Doubt(f"{customer.rpartition('/')[2]} is {reason}", details)


def _details(
    snapshot: Snapshot, account: AccountId, customer: ExternalKey, decision: Decision
) -> dict[str, Any]:
    profile = snapshot.identity.profile("customer", local_id(customer))
    addresses = () if profile is None else profile.addresses
    domains = () if profile is None else profile.domains
    return {
        "customer": customer,
        "account": account,
        "name": None if profile is None else _name(profile),
        "email_domain": addresses[0].domain if addresses else None,
        "group": domains[0] if domains else None,
        "reasons": list(decision.reasons),
        "candidates": [_candidate(snapshot, one) for one in decision.candidates[:SHOWN]],
    }


def rivals_in(snapshot: Snapshot, decision: Decision) -> tuple[ExternalKey, ...]:
    """Records of a review that are plausible or own the domain, when there are several."""
    if decision.outcome != "review":
        return ()
    least = snapshot.identity.weights.review_at
    name = snapshot.workspace.workspace
    found = [
        key_in(name, c.record_id)
        for c in decision.candidates
        if c.probability >= least or has(c, ("domain.owners",))
    ]
    return tuple(sorted(found)) if len(found) > 1 else ()


def _asks(snapshot: Snapshot) -> bool:
    config = snapshot.workspace.config
    return config is not None and config.unmatched in {"review", *CREATING}


def _candidate(snapshot: Snapshot, candidate: Candidate) -> dict[str, Any]:
    record = snapshot.identity.profile("record", candidate.record_id)
    return {
        "record": key_in(snapshot.workspace.workspace, candidate.record_id),
        "name": None if record is None else _name(record),
        "probability": candidate.probability,
        "score": candidate.score / 1000,
        "evidence": [
            {"code": piece.code, "sentence": _plain(piece), "weight": piece.weight / 1000}
            for piece in _ranked(candidate)
        ],
    }


def _proof(candidate: Candidate) -> dict[str, Any]:
    weights = shipped()
    return {
        "score": candidate.score,
        "probability": candidate.probability,
        "pieces": [list(piece) for piece in candidate.evidence],
        "bias": weights.bias,
        "norm_version": NORM_VERSION,
        "model_version": weights.version,
    }


def _ranked(candidate: Candidate) -> list[Weighed]:
    return sorted(candidate.evidence, key=lambda piece: (-abs(piece.weight), piece.code))


def _plain(piece: Weighed) -> str:
    """The sentence without the weight, which stands beside it."""
    return sentence(piece).rpartition(" (")[0]


def _name(profile: Profile) -> str | None:
    if profile.names:
        return profile.names[0].raw
    return None if profile.person is None else profile.person.raw
