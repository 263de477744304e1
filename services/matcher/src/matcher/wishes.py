"""Which CRM record is to be created for an account that has none (design 6).

Only when the books are whole, and only when nothing in the CRM may be the customer: what may be one
is asked about, under every policy that asks or creates. With `create` all such customers get a
record; with `hybrid` those that name a company and write from a domain of its own. A person's
decision `create` stands above that.
"""

from collections.abc import Mapping, Sequence
from typing import cast

from plumbline_domain.identity.decide import Decision
from plumbline_domain.identity.profile import Profile
from plumbline_schemas.billing import BillingCustomer
from plumbline_schemas.ids import ExternalKey

from matcher.apart import matchable
from matcher.documents import WantedDocument
from matcher.identity_parties import local_id
from matcher.rows import AccountRow
from matcher.snapshot import Snapshot
from matcher.stored import body_of
from matcher.verdicts import CREATING


def wanted_record(snapshot: Snapshot, row: AccountRow) -> WantedDocument | None:
    """The record an account is to get: as decided by this record, else as it was."""
    if snapshot.records_of(row.account_id) or not _living(snapshot, row):
        return None
    if row.account_id in snapshot.findings.wishes:
        return snapshot.findings.wishes[row.account_id]
    return stored_wish(row)


def stored_wish(row: AccountRow) -> WantedDocument | None:
    """What the account's state says that it wants; states of before this say nothing."""
    state = {} if row.state is None else dict(row.state)
    return cast("WantedDocument | None", state.get("wanted_record"))


def wish_for(
    snapshot: Snapshot, row: AccountRow, decisions: Mapping[ExternalKey, Decision]
) -> WantedDocument | None:
    """What an account that was not linked wants; `decisions` by customer, all of them."""
    customers = _living(snapshot, row)
    if not snapshot.workspace.whole_book or not customers:
        return None
    told = [(key, decisions[key]) for key in customers if key in decisions]
    person = [pair for pair in told if snapshot.rulings.creates(pair[0])]
    if person:
        return _wish(snapshot, person, customers, by_person=True)
    if len(told) < len(customers) or not _policy_creates(snapshot, row, told):
        return None
    return _wish(snapshot, told, customers, by_person=False)


def _living(snapshot: Snapshot, row: AccountRow) -> list[ExternalKey]:
    """Customers that are there and were seen, by key."""
    found = [(key, snapshot.objects.get(key)) for key in matchable(snapshot, row.account_id)]
    return [
        key
        for key, stored in found
        if stored is not None and not stored.deleted and stored.held.standing is not None
    ]


def _policy_creates(
    snapshot: Snapshot, row: AccountRow, told: Sequence[tuple[ExternalKey, Decision]]
) -> bool:
    config = snapshot.workspace.config
    policy = "" if config is None else config.unmatched
    lost = row.account_id in snapshot.findings.lost or _was_deleted(row)
    if policy not in CREATING or lost:
        return False
    if any(decision.outcome != "none" for _, decision in told):
        return False
    return policy == "create" or any(_tells_enough(snapshot, *pair) for pair in told)


def _was_deleted(row: AccountRow) -> bool:
    """Whether a person is asked because the record it had was taken out of the CRM."""
    return any(
        name.startswith("review_match|") and "deleted" in item.get("details", {})
        for name, item in row.attention.items()
    )


def _tells_enough(snapshot: Snapshot, customer: ExternalKey, decision: Decision) -> bool:
    """It names a company, and its domain is nobody else's; a person has an address."""
    profile = snapshot.identity.profile("customer", local_id(customer))
    if profile is not None and profile.individual:
        return bool(profile.addresses)
    return (
        profile is not None and bool(profile.names) and _own_domain(profile, decision) is not None
    )


def _own_domain(profile: Profile, decision: Decision) -> str | None:
    """The domain that the customer alone has: no record owns it, and no payer writes from it."""
    portrait = decision.portrait
    if not profile.domains or portrait.hub or portrait.pays or portrait.owners:
        return None
    return profile.domains[0]


def _wish(
    snapshot: Snapshot,
    told: Sequence[tuple[ExternalKey, Decision]],
    customers: Sequence[ExternalKey],
    *,
    by_person: bool,
) -> WantedDocument | None:
    """From the first customer that names a company, else the first one."""
    pairs = [
        (key, profile, decision)
        for key, decision in told
        if (profile := snapshot.identity.profile("customer", local_id(key))) is not None
    ]
    if not pairs:
        return None
    key, profile, decision = next((one for one in pairs if one[1].names), pairs[0])
    domain = None if profile.individual else _own_domain(profile, decision)
    return {
        "kind": "contact" if profile.individual else "company",
        "name": _name(snapshot, key, profile, domain),
        "domain": domain,
        "email": _email(snapshot, key) if profile.individual else None,
        "lock": _lock(key, profile, domain),
        "customers": [customer.split("/", 3)[3] for customer in customers],
        "by": "person" if by_person else "policy",
    }


def _name(snapshot: Snapshot, key: ExternalKey, profile: Profile, domain: str | None) -> str:
    """A company's name, else its domain, else whatever the customer is called."""
    if profile.names:
        return profile.names[0].raw
    person = None if profile.person is None else profile.person.raw
    return domain or person or _email(snapshot, key) or profile.vendor_id


def _email(snapshot: Snapshot, key: ExternalKey) -> str | None:
    row = snapshot.objects.get(key)
    body = None if row is None else body_of(row, BillingCustomer)
    return None if body is None else body.email


def _lock(key: ExternalKey, profile: Profile, domain: str | None) -> str:
    if domain is not None:
        return f"domain:{domain}"
    if profile.names and not profile.individual:
        return f"name:{profile.names[0].squash}"
    if profile.addresses:
        return f"email:{profile.addresses[0].whole}"
    return f"customer:{key}"
