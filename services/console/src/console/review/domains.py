"""Which company's domain several customers share."""

from collections.abc import Iterable

from plumbline_domain.identity.domain_classes import NO_OVERRIDES, domain_class
from plumbline_domain.identity.profile import read_address


def common_domain(emails: Iterable[str]) -> str | None:
    """The one domain of a company that all these addresses are at; None when there is none."""
    found = {read[2] if (read := read_address(email)) else "" for email in emails}
    domain = found.pop() if len(found) == 1 else ""
    return domain if domain and domain_class(domain, NO_OVERRIDES) in ("company", "hub") else None
