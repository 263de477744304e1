"""What speaks for and against a pair: named pieces, each with what was seen (identity.md 7)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from rapidfuzz.distance import OSA

from plumbline_domain.identity.compare import (
    CALLED,
    FITS,
    NameMatch,
    compare_names,
    information,
    telling,
)
from plumbline_domain.identity.index import NOBODY, Posting
from plumbline_domain.identity.keys import key_of
from plumbline_domain.identity.mailboxes import firm_mailbox, known_person
from plumbline_domain.identity.piece import Piece
from plumbline_domain.identity.portrait import Portrait, distinct
from plumbline_domain.identity.profile import Profile, label_of
from plumbline_domain.identity.word_lists import COMPANY_WORDS, FORM_GROUPS, PLACES

SHORT: Final = 4
"""Letters of a label that others may well have under another ending: `smk.co.jp`, `smk.co.th`."""

MANY: Final = 6
"""Records with one name, from which nobody looks any more which are the same company twice."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What is known around the pair: counts of keys and the portrait of the customer's domain."""

    records: Mapping[int, Posting]
    portrait: Portrait
    record_profiles: Mapping[str, Profile]
    _told: dict[str, float] = field(default_factory=dict)
    _crowds: dict[str, int] = field(default_factory=dict)

    def tells(self, word: str) -> float:
        """What agreement on `word` tells."""
        known = self._told.get(word)
        if known is None:
            count = self.records.get(key_of("word", word), NOBODY).count
            known = self._told[word] = information(word, count)
        return known

    def crowd(self, squash: str) -> int:
        """Distinct companies with this name or label; a few are counted apart, many are many."""
        known = self._crowds.get(squash)
        if known is None:
            ids = self.records.get(key_of("squash", squash), NOBODY).ids
            held = [self.record_profiles[i] for i in ids if i in self.record_profiles]
            known = len(ids) if len(ids) > MANY else distinct(held)
            self._crowds[squash] = known
        return known

    def squash_count(self, squash: str) -> int:
        """Records with this name or label."""
        return self.records.get(key_of("squash", squash), NOBODY).count


def pieces(
    customer: Profile, record: Profile, scene: Scene
) -> tuple[list[Piece], NameMatch | None]:
    """All pieces for a pair, in a fixed order. A missing value is no piece."""
    match = compare_names(customer.names, record.names, record.labels, scene.tells)
    found = [
        piece
        for piece in (
            _domain(customer, record, scene, match),
            _silent(customer, record),
            _host(customer, record),
            known_person(customer, record),
            _name(customer, record, scene, match),
            _form(match),
            _phone(customer, record, scene),
            _city(customer, record),
            _country(customer, record),
        )
        if piece is not None
    ]
    return found, match


def _domain(
    customer: Profile, record: Profile, scene: Scene, match: NameMatch | None
) -> Piece | None:
    fits = match is not None and match.level in FITS
    hub = scene.portrait.hub and not fits
    mails = {address.whole: address for address in record.addresses}
    for address in customer.addresses:
        if address.whole in mails and not hub:
            code = "email.personal" if address.kind == "personal" else "email.contact"
            return Piece(code, address.whole, address.whole)
    for domain in customer.domains:
        if domain in record.domains or domain in record.contact_domains:
            if hub:
                return Piece("domain.hub", domain, domain)
            if domain not in record.domains:
                return Piece("domain.contact", domain, domain)
            if scene.portrait.owners > 1 and match is not None and match.level in CALLED:
                return Piece("domain.named", domain, domain)
            return Piece(f"domain.owners{min(scene.portrait.owners, 3)}", domain, domain)
    return _label(customer, record, scene) or _elsewhere(customer, record, scene)


def _silent(customer: Profile, record: Profile) -> Piece | None:
    """The domain is all there is: the customer names a person or nobody."""
    if customer.names or not customer.domains:
        return None
    domain = customer.domains[0]
    known = domain in record.domains or domain in record.contact_domains
    return Piece("domain.silent", domain, domain) if known else None


def _host(customer: Profile, record: Profile) -> Piece | None:
    """The customer's name is a web address, the record's own."""
    for host in customer.hosts:
        if host not in customer.domains and host in (
            *record.domains, *record.contact_domains, *record.hosts
        ):  # fmt: skip
            return Piece("host.same", host, host)
    return None


def _label(customer: Profile, record: Profile, scene: Scene) -> Piece | None:
    if not customer.domains:
        held = firm_mailbox(customer, record)
        silent = held is not None and not customer.names
        return held._replace(code=f"local.silent{held.code[5:]}") if held and silent else held
    prefix = "label" if customer.names else "label.silent"
    prefix = "label.taken" if scene.portrait.owners else prefix
    found = _equal_label(customer, record, scene) or _near_label(customer, record)
    return found._replace(code=f"{prefix}.{found.code}") if found else None


def _equal_label(customer: Profile, record: Profile, scene: Scene) -> Piece | None:
    domain = customer.domains[0]
    mine = label_of(domain)
    known = (*record.domains, *record.contact_domains)
    if len(mine) >= 3 and mine in map(label_of, known):
        crowd = "_short" if len(mine) <= SHORT else ""
        if scene.squash_count(mine) > 3 or mine in COMPANY_WORDS or mine in PLACES:
            crowd = "_shared"
        return Piece(f"same{crowd}", domain, _with_label(record, mine))
    labels = [label for label in customer.labels if len(label) >= 4]
    for label in labels:
        if any(label in (form.squash, form.whole) for form in record.names):
            crowd = "_other" if known else ""
            crowd = crowd if scene.squash_count(label) <= 2 else "_shared"
            return Piece(f"name{crowd}", domain, record.names[0].raw)
    shared = next((label for label in labels if label in record.labels), None)
    return None if shared is None else Piece("affix", domain, _with_label(record, shared))


def _near_label(customer: Profile, record: Profile) -> Piece | None:
    domain = customer.domains[0]
    mine = label_of(domain)
    if len(mine) < 6:
        return None
    allowed = 1 if len(mine) < 9 else 2
    theirs = [label_of(other) for other in (*record.domains, *record.contact_domains)]
    theirs += [form.squash for form in record.names]
    if any(mine in (form.squash, form.whole) for form in customer.names):
        theirs = []  # name and domain agree with each other: no error, another name
    for other in theirs:
        if abs(len(other) - len(mine)) <= allowed and (
            OSA.distance(mine, other, score_cutoff=allowed) <= allowed
        ):
            return Piece("close", domain, other)
    if _of_a_town(mine, customer, record):
        return Piece("town", domain, record.names[0].raw)
    for form in record.names:
        if len(form.squash) >= 5 and (mine.startswith(form.squash) or form.squash.startswith(mine)):
            apart = any(o.startswith(form.squash) and o != form.squash for o in theirs)
            return Piece("apart" if apart and mine != form.squash else "part", domain, form.raw)
    return None


def _of_a_town(mine: str, customer: Profile, record: Profile) -> bool:
    """The domain is the record's name and the customer's own town, which is not the record's.

    Who adds the town found the plain name taken by somebody else who bears it.
    """
    town = customer.city
    elsewhere = bool(record.labels) and town not in (*record.cities, *record.labels)
    if not customer.names or len(town) < SHORT or not elsewhere:
        return False
    if any(town in label for label in record.labels):
        return False
    return any(
        len(form.squash) >= SHORT
        and mine in (form.squash + town, form.whole + town, town + form.squash)
        for form in record.names
    )


def _with_label(record: Profile, label: str) -> str:
    every = (*record.domains, *record.contact_domains)
    return next((domain for domain in every if label_of(domain) == label), label)


def _elsewhere(customer: Profile, record: Profile, scene: Scene) -> Piece | None:
    if not customer.domains or not record.domains:
        return None
    if scene.portrait.hub:
        return None
    code = "domain.elsewhere" if scene.portrait.owners else "domain.other"
    return Piece(code, customer.domains[0], record.domains[0])


def _name(
    customer: Profile, record: Profile, scene: Scene, match: NameMatch | None
) -> Piece | None:
    if match is None:
        return _namesake(customer, record)
    a, b, level = match.ours, match.theirs, match.level
    if level == "same":
        return _same_name(customer, record, scene, match)
    if level == "different":
        known = {address.whole for address in record.addresses}
        if a.kind == "unclear" and any(x.whole in known for x in customer.addresses):
            return Piece("name.aside", a.raw, b.raw)
        return Piece("name.clash" if a.kind == "company" else "name.other", a.raw, b.raw)
    among = level in _AMONG and _based(customer, record) and not _writes_for(customer, record)
    kind = "_based" if among else "" if telling(match) or level in _UNWEIGHED else "_plain"
    return Piece(f"name.{level}{kind}", a.raw, b.raw)


def _namesake(customer: Profile, record: Profile) -> Piece | None:
    """The record is called like the person: a trade in one's own name, or no person at all."""
    who = customer.person
    found = next((form for form in record.names if who and form.squash == who.squash), None)
    return None if who is None or found is None else Piece("name.person", who.raw, found.raw)


_UNWEIGHED: Final = frozenset({"initials", "label"})
_AMONG: Final = frozenset({"extended", "branch", "overlap"})
"""Levels that tell something else between two who write from one domain: a part of a company."""


def _same_name(customer: Profile, record: Profile, scene: Scene, match: NameMatch) -> Piece:
    a, b = match.ours, match.theirs
    crowd = scene.crowd(a.squash)
    size = "1" if crowd <= 1 else "2" if crowd <= 3 else "many"
    if size != "1" and _based(customer, record):
        return Piece("name.same_based", a.raw, b.raw)
    generic = "" if telling(match) else "_plain"
    return Piece(f"name.same{size}{generic}", a.raw, b.raw)


def _based(customer: Profile, record: Profile) -> bool:
    """Whether they share a domain: among its own companies, a crowded name tells them apart."""
    theirs = (*record.domains, *record.contact_domains)
    return any(domain in theirs for domain in customer.domains)


def _writes_for(customer: Profile, record: Profile) -> bool:
    """Whether the customer's very address is a contact's: no part of the company, itself."""
    held = {address.whole for address in record.addresses}
    return any(address.whole in held for address in customer.addresses)


def _form(match: NameMatch | None) -> Piece | None:
    if match is None or match.level not in FITS:
        return None
    ours, theirs = match.ours.form, match.theirs.form
    if not ours or not theirs:
        return None
    if ours == theirs:
        return Piece("form.same", ours, theirs)
    alike = FORM_GROUPS.get(ours, ours) == FORM_GROUPS.get(theirs, theirs)
    return None if alike else Piece("form.other", ours, theirs)


def _phone(customer: Profile, record: Profile, scene: Scene) -> Piece | None:
    if not customer.phone or not record.phone or customer.phone != record.phone:
        return None
    shared = scene.records.get(key_of("phone", customer.phone), NOBODY).count > 2
    return Piece("phone.shared" if shared else "phone.same", customer.phone, record.phone)


def _city(customer: Profile, record: Profile) -> Piece | None:
    if not customer.cities or not record.cities:
        return None
    if set(customer.cities) & set(record.cities):
        return Piece("city.same", customer.cities[0], record.cities[0])
    if not customer.city:
        return None
    return Piece("city.other", customer.city, record.cities[0])


def _country(customer: Profile, record: Profile) -> Piece | None:
    if not customer.country or not record.country:
        return None
    code = "country.same" if customer.country == record.country else "country.other"
    return Piece(code, customer.country, record.country)
