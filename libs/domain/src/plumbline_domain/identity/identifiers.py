"""What names a record outright: ids, tax ids, and of a person the mailbox (identity.md 7)."""

from collections.abc import Collection
from typing import Literal

from plumbline_domain.identity.index import NOBODY, Neighbourhood
from plumbline_domain.identity.keys import key_of
from plumbline_domain.identity.profile import Profile

IdentifierMethod = Literal["crm_id", "stripe_id", "tax_id", "email"]


def identified(
    customer: Profile, around: Neighbourhood, cannot: Collection[str]
) -> tuple[str, IdentifierMethod] | None:
    """The one record that an identifier names, of those that a person did not rule out."""
    ways: list[tuple[IdentifierMethod, int]] = []
    if customer.crm_id:
        ways.append(("crm_id", key_of("id", customer.crm_id)))
    ways.append(("stripe_id", key_of("stripe", customer.vendor_id)))
    ways += [("tax_id", key_of("tax", number)) for number in customer.tax_ids]
    for method, key in ways:
        found = [i for i in around.records.get(key, NOBODY).ids if i not in cannot]
        alike = [i for i in found if _is_contact(i, around) == customer.individual]
        for some in (found, alike):  # a contact and a company may have one id
            if len(some) == 1:
                return some[0], method
    return None


def _is_contact(record_id: str, around: Neighbourhood) -> bool:
    profile = around.record_profiles.get(record_id)
    return profile is not None and profile.individual


def of_mailbox(
    customer: Profile, around: Neighbourhood, cannot: Collection[str]
) -> tuple[str, IdentifierMethod] | None:
    """The contact with a person's very address; no evidence beside it links a person."""
    for address in customer.addresses:
        ids = around.records.get(key_of("person", address.whole), NOBODY).ids
        found = [i for i in ids if i not in cannot]
        if len(found) == 1:
            return found[0], "email"
    return None
