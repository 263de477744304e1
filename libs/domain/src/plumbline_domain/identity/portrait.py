"""Whose domain it is: the organisation's, several organisations', or a payer's for its clients."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from plumbline_domain.identity.compare import CALLED, FITS, compare_names, information
from plumbline_domain.identity.index import NOBODY, Neighbourhood
from plumbline_domain.identity.keys import FAN_OUT, key_of
from plumbline_domain.identity.names import NameForm
from plumbline_domain.identity.profile import Profile
from plumbline_domain.identity.word_lists import HUB_WORDS, WIDE_WORDS

STRANGERS_UNOWNED: Final = 4
"""Distinct names on a domain that no record owns: from here on it is a hub (identity.md 7)."""

STRANGERS_OWNED: Final = 3
"""Distinct names that do not fit the owner: from here on the owner pays for others."""

STRANGERS_KNOWN: Final = 2
"""The same, when each of the names is another record's."""


@dataclass(frozen=True, slots=True)
class Portrait:
    """A domain as its customers and records show it."""

    domain: str = ""
    owners: int = 0
    """Distinct companies among the records that have it in a domain field; duplicates are one."""
    strangers: tuple[str, ...] = ()
    """Customers' names that fit no owner, one spelling each."""
    hub: bool = False
    """Its mail tells nothing about customers whose name does not fit the owner."""
    pays: bool = False
    """Some customer there is another record by name: silence may hide a further one."""


NO_DOMAIN: Final = Portrait()


def _alone(word: str) -> float:
    return information(word, 1)


def names_fit(a: tuple[NameForm, ...], b: tuple[NameForm, ...], labels: tuple[str, ...]) -> bool:
    """Whether two parties can be one by their names alone."""
    match = compare_names(a, b, labels, _alone)
    return match is not None and match.level in FITS


def paint(customer: Profile, around: Neighbourhood) -> Portrait:
    """The portrait of the customer's domain; NO_DOMAIN when it has none of a company."""
    if not customer.domains:
        return NO_DOMAIN
    domain = customer.domains[0]
    posting = around.records.get(key_of("domain", domain), NOBODY)
    owners = [
        profile
        for i in posting.ids
        if (profile := around.record_profiles.get(i)) and domain in profile.domains
    ]
    using = owners or [p for i in posting.ids if (p := around.record_profiles.get(i))]
    said = any(a.kind == "hub" and a.domain == domain for a in customer.addresses)
    strangers, known = _strangers(customer, domain, using, around)
    payer = any(word in HUB_WORDS for owner in using for form in owner.names for word in form.core)
    hub = (
        said
        or (not using and len(strangers) >= STRANGERS_UNOWNED)
        or (bool(using) and len(strangers) >= STRANGERS_OWNED)
        or known >= STRANGERS_KNOWN
        or (payer and len(strangers) >= 1)
    )
    return Portrait(domain, distinct(owners), tuple(strangers), hub, known > 0)


def _strangers(
    customer: Profile, domain: str, owners: Sequence[Profile], around: Neighbourhood
) -> tuple[list[str], int]:
    posting = around.mates.get(key_of("domain", domain), NOBODY)
    mates = {i: around.customer_profiles[i] for i in posting.ids if i in around.customer_profiles}
    mates[customer.id] = customer
    kept: list[NameForm] = []
    known = 0
    own_ids = {owner.id for owner in owners}
    for _, mate in sorted(mates.items()):
        form = _company_name(mate)
        if form is None or form.squash in mate.labels or _echoes(form, mate.labels):
            continue
        if any(names_fit((form,), owner.names, owner.labels) for owner in owners):
            continue
        if any(names_fit((form,), (other,), ()) for other in kept):
            continue
        kept.append(form)
        found = around.records.get(key_of("squash", form.squash), NOBODY)
        known += bool(set(found.ids) - own_ids)
    return [form.raw for form in kept], known


def _company_name(mate: Profile) -> NameForm | None:
    return next(iter(mate.names), None)


def _echoes(form: NameForm, labels: tuple[str, ...]) -> bool:
    """Whether the domain is made from the name: its first word or its initials."""
    first = form.core[0]
    return any(
        (len(first) >= 3 and label.startswith(first)) or form.squash.startswith(label)
        for label in labels
        if len(label) >= 3
    )


def same_company(a: Profile, b: Profile) -> bool:
    """Whether two records are one company entered twice (never proof, only no rivalry)."""
    fit = names_fit(a.names, b.names, b.labels) or names_fit(b.names, a.names, a.labels)
    if not fit:
        return False
    if set(a.domains) & set(b.domains):
        return _alike(a, b)
    mails = {address.whole for address in a.addresses} & {x.whole for x in b.addresses}
    if mails or (a.phone and a.phone == b.phone):
        return True
    if a.domains and b.domains:
        return False
    crossed = {*a.domains, *a.contact_domains} & {*b.domains, *b.contact_domains}
    return bool(crossed) and _alike(a, b)


def _alike(a: Profile, b: Profile) -> bool:
    """One name is not the other plus a further word (`Noble Iron`, `Noble Iron Logistics`)."""
    match = compare_names(a.names, b.names, (), _alone)
    if match is None:
        return False
    if match.level in CALLED:
        return True
    return set(match.ours.core) ^ set(match.theirs.core) <= WIDE_WORDS


def distinct(records: Sequence[Profile]) -> int:
    """How many companies `records` are, duplicates counted once."""
    kept: list[Profile] = []
    for record in records[:FAN_OUT]:
        if not any(same_company(record, other) for other in kept):
            kept.append(record)
    return len(kept)
