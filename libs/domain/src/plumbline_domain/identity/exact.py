"""Today's keys of the matcher: identifiers, then the exact domain. No fuzzy names."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from plumbline_schemas.accounts import LinkMethod
from plumbline_schemas.billing import BillingCustomer
from plumbline_schemas.crm import CrmRecord
from plumbline_schemas.ids import ExternalKey

from plumbline_domain.identity.domain_classes import is_personal
from plumbline_domain.identity.domain_lists import NOT_DOMAINS
from plumbline_domain.identity.hosts import email_host, registrable_domain, web_host

NORM_VERSION: Final = 1
"""Stands with every stored key; a change of the rules below raises it."""

KeyKind = Literal["crm_id", "stripe_id", "domain", "personal_domain"]


class MatchKey(NamedTuple):
    """Something both sides may hold: the same kind and value means a candidate."""

    kind: KeyKind
    value: str


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
