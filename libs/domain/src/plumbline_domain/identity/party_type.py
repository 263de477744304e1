"""Whether a billing customer is a company or a person (features L3)."""

from typing import Literal

from plumbline_domain.identity.profile import Profile

CustomerType = Literal["company", "individual"]


def customer_type(customer: Profile, told: CustomerType | None) -> CustomerType | None:
    """What the vendor says it is, else what it tells; None: neither.

    A company has a domain of its own, a tax id, or a name that says so. A person has a person's
    name and writes from a mailbox that anybody can have, or from none.
    """
    if told is not None:
        return told
    if customer.domains or customer.tax_ids or customer.hosts:
        return "company"
    if any(form.kind == "company" for form in customer.names):
        return "company"
    if customer.person is not None and not customer.names:
        return "individual"
    return None
