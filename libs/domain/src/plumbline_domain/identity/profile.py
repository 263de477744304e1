"""One side of a pair, normalised: what a customer and a record become before they are compared."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from plumbline_domain.identity.countries import country_code
from plumbline_domain.identity.domain_classes import NO_OVERRIDES, DomainClass, domain_class
from plumbline_domain.identity.domain_lists import RELAYS
from plumbline_domain.identity.hosts import email_host, registrable_domain, web_host
from plumbline_domain.identity.names import NameForm, addresses_in, host_in_name, read_name
from plumbline_domain.identity.numbers import phone_tail, tax_id
from plumbline_domain.identity.text import clean, fold, words
from plumbline_domain.identity.word_lists import ROLES

MAX_CONTACTS: Final = 50
"""Contact addresses of a record that are looked at; the first ones, as the CRM lists them."""

_AFFIXES: Final = ("get", "try", "use", "my", "go", "the", "join", "mail", "email", "team")
_ENDINGS: Final = (
    "mail", "email", "hq", "app", "group", "billing", "online", "global", "corp", "inc", "llc",
    "ltd", "gmbh", "team", "international", "intl", "company", "co", "usa", "uk", "eu", "io",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Party:
    """What one side holds, as written. A customer has one address, a record many contacts."""

    id: str
    name: str | None = None
    company: str | None = None
    """Customers: the company that metadata or description names."""
    aliases: tuple[str, ...] = ()
    """Records: earlier and other names."""
    emails: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    city: str | None = None
    country: str | None = None
    phone: str | None = None
    tax_ids: tuple[str, ...] = ()
    crm_id: str | None = None
    """Customers: the record that metadata names."""
    stripe_ids: tuple[str, ...] = ()
    """Records: the customers that stand on it."""
    parent_id: str | None = None
    merged_ids: tuple[str, ...] = ()
    individual: bool = False
    """Customers: a person, who goes to a contact. Records: a contact."""


@dataclass(frozen=True, slots=True)
class Address:
    """An e-mail address, taken apart."""

    whole: str
    """Lower case, tag removed; Gmail's dots removed."""
    local: str
    domain: str
    kind: DomainClass
    role: bool
    """Whether the local part names a function (`billing@`)."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A normalised party. Equal parties give equal profiles."""

    id: str
    names: tuple[NameForm, ...] = ()
    """The forms that tell something, the main one first; persons' names are kept apart."""
    person: NameForm | None = None
    addresses: tuple[Address, ...] = ()
    domains: tuple[str, ...] = ()
    """Company domains that the domain fields (records) or the address (customers) give."""
    contact_domains: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    """Labels of the domains, most specific first, hyphens closed up; affixes also cut off."""
    city: str = ""
    cities: tuple[str, ...] = ()
    """The town, then texts of the names that may be one (in brackets, behind a dash)."""
    country: str = ""
    phone: str | None = None
    tax_ids: tuple[str, ...] = ()
    crm_id: str | None = None
    stripe_ids: tuple[str, ...] = ()
    parent_id: str | None = None
    merged_ids: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    """Domains that somebody typed as a name."""
    suspicious: bool = field(default=False)
    """The workspace's own domain, a disposable or relayed address: never linked by evidence."""
    individual: bool = False
    """A person, or a contact: found by the address alone, and no company's evidence."""

    @property
    def vendor_id(self) -> str:
        """The vendor's own id; `id` may name its connection and kind before it."""
        return self.id.rpartition("/")[2]


@lru_cache(maxsize=65536)
def read_address(text: str) -> tuple[str, str, str] | None:
    """(whole, local, registrable domain) of an address; None when it is none (no @, two @)."""
    plain = text.strip().strip("<>").lower()
    if plain.count("@") != 1 or len(plain) > 320 or " " in plain:
        return None
    host = email_host(plain)
    domain = host if host in RELAYS else registrable_domain(host) if host else None
    if domain is None:
        return None
    local = fold(plain.partition("@")[0].partition("+")[0])
    if domain in ("gmail.com", "googlemail.com"):
        local, domain = local.replace(".", ""), "gmail.com"
    return (f"{local}@{domain}", local, domain) if local else None


def label_of(domain: str) -> str:
    """The first label of a registrable domain, hyphens closed up."""
    return domain.partition(".")[0].replace("-", "").replace("_", "")


@lru_cache(maxsize=65536)
def bare_labels(label: str) -> tuple[str, ...]:
    """`label`, then without one affix that companies add to a name they could not register."""
    found = [label]
    if label.startswith(_AFFIXES):
        found += [label.removeprefix(start) for start in _AFFIXES if label.startswith(start)]
    if label.endswith(_ENDINGS):
        found += [label.removesuffix(end) for end in _ENDINGS if label.endswith(end)]
    return tuple(dict.fromkeys(bare for bare in found if bare == label or len(bare) >= 4))


def _addresses(texts: tuple[str, ...], overrides: Mapping[str, DomainClass]) -> tuple[Address, ...]:
    found: dict[str, Address] = {}
    for text in texts[:MAX_CONTACTS]:
        read = read_address(text)
        if read is not None and read[0] not in found:
            whole, local, domain = read
            kind = domain_class(domain, overrides)
            found[whole] = Address(whole, local, domain, kind, local in ROLES)
    return tuple(found.values())


def customer_profile(party: Party, overrides: Mapping[str, DomainClass] = NO_OVERRIDES) -> Profile:
    """Normalise a billing customer; an address in its name stands for the one it lacks."""
    emails = party.emails or (*addresses_in(party.company), *addresses_in(party.name))
    addresses = _addresses(emails, overrides)
    domains = tuple(dict.fromkeys(a.domain for a in addresses if a.kind in ("company", "hub")))
    names, person, hosts = _names((party.company, party.name))
    labels = _labels((*domains, *hosts))
    if person is not None and any(label.startswith(person.squash) for label in labels):
        names, person = (*names, person), None  # a company that bears its founder's name
    found = next((form for form in names if _is_sender(form, addresses, labels)), None)
    if found is not None and found.raw != clean(party.company):
        names, person = tuple(form for form in names if form is not found), person or found
    kinds = {address.kind for address in addresses}
    return Profile(
        party.id, names, person, addresses, domains, (), labels,
        _closed(party.city), _cities(party.city, names), country_code(party.country),
        phone_tail(party.phone, country_code(party.country)), _tax_ids(party), _text(party.crm_id),
        hosts=hosts, suspicious=bool(kinds & {"own", "disposable"}), individual=party.individual,
    )  # fmt: skip


def record_profile(party: Party, overrides: Mapping[str, DomainClass] = NO_OVERRIDES) -> Profile:
    """Normalise a CRM company."""
    addresses = _addresses(party.emails, overrides)
    domains = tuple(
        dict.fromkeys(
            domain
            for text in party.domains
            if (domain := registrable_domain(web_host(text)))
            and domain_class(domain, overrides) in ("company", "hub")
        )
    )
    contacts = tuple(
        dict.fromkeys(
            a.domain for a in addresses if a.kind == "company" and a.domain not in domains
        )
    )
    names, person, hosts = _names((party.name, *party.aliases))
    if person is not None:
        names = (*names, person)
    return Profile(
        party.id, names, None, addresses, domains, contacts, _labels((*domains, *contacts, *hosts)),
        _closed(party.city), _cities(party.city, ()), country_code(party.country),
        phone_tail(party.phone, country_code(party.country)), _tax_ids(party), None,
        tuple(filter(None, map(_text, party.stripe_ids))),
        None if party.parent_id == party.id else _text(party.parent_id), party.merged_ids,
        hosts=hosts,
    )  # fmt: skip


def contact_profile(party: Party) -> Profile:
    """Normalise a CRM contact: a mailbox, and what identifies it."""
    return Profile(
        party.id,
        addresses=_addresses(party.emails, NO_OVERRIDES),
        stripe_ids=tuple(filter(None, map(_text, party.stripe_ids))),
        merged_ids=party.merged_ids,
        individual=True,
    )


def _is_sender(form: NameForm, addresses: tuple[Address, ...], labels: tuple[str, ...]) -> bool:
    """Whether a name of two to four words is that of the person whose address it is."""
    if form.kind != "unclear" or not 2 <= len(form.core) <= 4 or form.squash in labels:
        return False
    if any(label in form.squash or form.squash in label for label in labels if len(label) > 3):
        return False
    for address in addresses:
        if address.role:
            continue
        parts = {part for part in re.split(r"[._\-0-9]+", address.local) if len(part) >= 3}
        ends = form.core[0][0] + form.core[-1], form.core[0] + form.core[-1][0]
        if parts & {*form.core, *ends, form.squash}:
            return True
    return False


def _names(
    texts: tuple[str | None, ...],
) -> tuple[tuple[NameForm, ...], NameForm | None, tuple[str, ...]]:
    names: dict[str, NameForm] = {}
    person: NameForm | None = None
    hosts: list[str] = []
    for text in texts:
        host = host_in_name(clean(text))
        domain = registrable_domain(host) if host else None
        if domain is not None:
            hosts.append(domain)
            text = domain.partition(".")[0]  # noqa: PLW2901 - the name that the host spells
        form = read_name(text)
        if form.kind == "person":
            person = person or form
        elif form.kind != "junk":
            names.setdefault(form.whole, form)
        for further in map(read_name, form.also):
            if further.kind != "junk":
                names.setdefault(further.whole, further)
    return tuple(names.values()), person, tuple(hosts)


def _labels(domains: tuple[str, ...]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for domain in domains:
        for label in bare_labels(label_of(domain)):
            found.setdefault(label)
    return tuple(found)


def _cities(city: str | None, names: tuple[NameForm, ...]) -> tuple[str, ...]:
    own = _closed(city)
    hints = [_closed(hint) for form in names for hint in form.hints]
    if not hints:
        return (own,) if own else ()
    return tuple(dict.fromkeys(text for text in (own, *hints) if text))


@lru_cache(maxsize=16384)
def _closed(text: str | None) -> str:
    return "".join(words(clean(text)))


def _tax_ids(party: Party) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, map(tax_id, party.tax_ids))))


def _text(text: str | None) -> str | None:
    return (text or "").strip() or None
