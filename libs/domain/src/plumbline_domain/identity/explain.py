"""A decision in sentences a person can check (identity.md 7: the UI sentence is made from it)."""

from collections.abc import Mapping, Sequence
from typing import Final

from plumbline_domain.identity.candidate import Candidate, Weighed
from plumbline_domain.identity.decide import Decision, decide
from plumbline_domain.identity.index import MemoryIndex, gather
from plumbline_domain.identity.profile import Party, customer_profile, record_profile
from plumbline_domain.identity.weights import Weights

_SENTENCES: Final[Mapping[str, str]] = {
    "email.contact": "{ours} is a contact of the record",
    "email.personal": "{ours} is a contact of the record, at a personal mailbox",
    "domain.owners1": "the e-mail domain {ours} is the record's",
    "domain.owners2": "the e-mail domain {ours} is the record's and one other company's",
    "domain.owners3": "the e-mail domain {ours} is the record's and several others'",
    "domain.named": "of several companies at {ours}, the record has the customer's name",
    "domain.contact": "contacts of the record write from {ours}",
    "domain.silent": "the customer names no company, only its domain speaks",
    "domain.hub": "{ours} pays for several companies, so its domain tells nothing",
    "domain.elsewhere": "the e-mail domain {ours} is another record's; this one has {theirs}",
    "domain.other": "the e-mail domain {ours} is not the record's {theirs}",
    "local.name": "the mailbox {ours} is called like {theirs}",
    "local.equal": "the mailbox {ours} is named {theirs}",
    "local.start": "the mailbox {ours} begins like {theirs}",
    "host.same": "the name is a web address, {ours}, and it is the record's",
    "contact.full": "a contact of the record, {theirs}, has the person's full name",
    "contact.short": "a contact of the record, {theirs}, may be the same person by name",
    "contact.first": "a contact of the record, {theirs}, has the person's first name",
    "name.same1": "the name {ours} equals {theirs}, which no other record has",
    "name.same2": "the name {ours} equals {theirs}, which a few records have",
    "name.samemany": "the name {ours} equals {theirs}, which many records have",
    "name.same_based": "the name {ours} equals {theirs}, which writes from the same domain",
    "name.reordered": "the name {ours} has the words of {theirs}",
    "name.misspelt": "the name {ours} is {theirs} but for spelling",
    "name.shortened": "the name {ours} is part of {theirs}",
    "name.extended": "the name {ours} is {theirs} and more",
    "name.extended_based": "the name {ours} is {theirs} and more, from the same domain",
    "name.branch_based": "the names {ours} and {theirs} differ by a place, the domain is one",
    "name.overlap_based": "the names {ours} and {theirs} share words, and the domain",
    "name.branch": "the names {ours} and {theirs} differ by a place",
    "name.label": "the name {ours} is the label of the record's domain",
    "name.initials": "{ours} and {theirs} share their initials",
    "name.overlap": "the names {ours} and {theirs} share words",
    "name.clash": "the names {ours} and {theirs} have nothing in common",
    "name.other": "the names {ours} and {theirs} have nothing in common",
    "name.person": "the person's name {ours} is the record's",
    "name.aside": "the name {ours} is not {theirs}, but the address is a contact's",
    "form.same": "the legal form agrees ({ours})",
    "form.other": "the legal forms differ ({ours}, {theirs})",
    "phone.same": "the telephone number agrees",
    "phone.shared": "the telephone number agrees, several records have it",
    "city.same": "the town agrees",
    "city.other": "the towns differ ({ours}, {theirs})",
    "country.same": "the country agrees",
    "country.other": "the countries differ ({ours}, {theirs})",
    "same": "the domain {ours} has the label of {theirs}",
    "affix": "the domain {ours} has the label of {theirs} but for an affix",
    "name": "the domain {ours} is called like {theirs}",
    "close": "the domain {ours} is {theirs} but for a typing error",
    "apart": "the domain {ours} and the record's each add something else to {theirs}",
    "town": "the domain {ours} is {theirs} and the customer's town, where the record is not",
    "part": "the domain {ours} is partly called like {theirs}",
}

_METHODS: Final[Mapping[str, str]] = {
    "crm_id": "the customer's metadata names record {record}",
    "stripe_id": "the customer stands on record {record}",
    "tax_id": "record {record} has the customer's tax id",
}


def sentence(piece: Weighed) -> str:
    """What a piece says, with its weight in nats."""
    code = piece.code.removesuffix("_plain")
    if code.startswith("label."):
        code = code.rpartition(".")[2].partition("_")[0]
    code = code.replace(".silent.", ".")
    said = _SENTENCES[code].format(ours=piece.ours, theirs=piece.theirs)
    return f"{said} ({piece.weight / 1000:+.1f})"


def candidate_text(candidate: Candidate) -> str:
    """All that speaks for and against a candidate, strongest first."""
    ranked = sorted(candidate.evidence, key=lambda piece: (-abs(piece.weight), piece.code))
    said = "; ".join(map(sentence, ranked)) or "nothing speaks for it"
    return f"{candidate.record_id}, probability {candidate.probability:.3f}: {said}"


def decision_text(decision: Decision) -> list[str]:
    """The decision in lines: what, why, and the candidates."""
    lines = [f"{decision.customer_id}: {decision.outcome}"]
    if decision.record_id is not None:
        lines[0] += f", record {decision.record_id}"
    if decision.method is not None and decision.method in _METHODS:
        lines.append(_METHODS[decision.method].format(record=decision.record_id))
    lines += [f"because {reason}" for reason in decision.reasons]
    return lines + [candidate_text(candidate) for candidate in decision.candidates]


def decided(
    customers: Sequence[Party], records: Sequence[Party], weights: Weights
) -> list[Decision]:
    """What would be decided about each customer with these records and no others."""
    index = MemoryIndex()
    index.put("record", map(record_profile, records))
    profiles = [customer_profile(party) for party in customers]
    index.put("customer", profiles)
    around = gather(index, profiles)
    return [decide(profile, around, weights) for profile in profiles]


def explain(
    customers: Sequence[Party], records: Sequence[Party], weights: Weights
) -> list[list[str]]:
    """The same, each decision in sentences."""
    return [decision_text(decision) for decision in decided(customers, records, weights)]
