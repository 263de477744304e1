"""Between external keys and vendor objects on one side, profiles of identity on the other."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final, cast
from zlib import crc32

from plumbline_domain.identity.domain_classes import NO_OVERRIDES, DomainClass, is_personal
from plumbline_domain.identity.index import Side
from plumbline_domain.identity.party_type import customer_type
from plumbline_domain.identity.profile import (
    Party,
    Profile,
    contact_profile,
    customer_profile,
    record_profile,
)
from plumbline_domain.identity.text import NORM_VERSION
from plumbline_domain.identity.weights import shipped
from plumbline_schemas.billing import BillingCustomer
from plumbline_schemas.crm import CrmRecord
from plumbline_schemas.ids import ExternalKey

from matcher.rows import WorkspaceRow

PARTIES: Final = 2
"""Of what profiles are made from: raised when more of an object counts, or otherwise."""


class _PersonalToo(Mapping[str, DomainClass]):
    """The workspace matches personal domains like those of companies (features P9)."""

    def __init__(self, said: Mapping[str, DomainClass]) -> None:
        self._said = said

    def __getitem__(self, domain: str) -> DomainClass:
        if domain in self._said or not is_personal(domain):
            return self._said[domain]
        return "company"

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def basis_of(workspace: WorkspaceRow) -> str:
    """The rules that profiles are made by: others make them anew."""
    config = workspace.config
    names = [] if config is None else [one.name for one in (*config.former, *config.connections)]
    apart = sorted({name for name in names if workspace.set_apart(name)})
    personal = "match" if workspace.personal_domains else "skip"
    contacts = [f"contacts {workspace.default_record}"] if workspace.contacts else []
    said = sorted(_said_of(workspace).items())
    domains = [f"{crc32(repr(said).encode()):08x}"] if said else []
    return "/".join((f"{NORM_VERSION}.{PARTIES}", personal, *contacts, *domains, *apart))


def decided_by(workspace: WorkspaceRow) -> str:
    """The rules that customers are decided by: others decide whoever waits once more."""
    return f"{basis_of(workspace)} {shipped().version}"


def overrides_of(workspace: WorkspaceRow) -> Mapping[str, DomainClass]:
    """What the workspace says about classes of domains."""
    said = _said_of(workspace)
    return _PersonalToo(said) if workspace.personal_domains else said


def _said_of(workspace: WorkspaceRow) -> Mapping[str, DomainClass]:
    said = None if workspace.config is None else workspace.config.identity.domains
    return cast("Mapping[str, DomainClass]", said) if said else NO_OVERRIDES


def local_id(key: ExternalKey) -> str:
    """How a profile is called: its external key within the workspace."""
    return key.split("/", 1)[1]


def key_in(workspace: str, local: str) -> ExternalKey:
    """The reverse of `local_id`."""
    return ExternalKey(f"{workspace}/{local}")


def side_of(key: ExternalKey) -> Side:
    """Which side of a match an external key stands on."""
    return "customer" if key.split("/", 3)[2] == "customer" else "record"


def party_of_customer(
    key: ExternalKey,
    body: BillingCustomer | None,
    workspace: WorkspaceRow,
    tax_ids: tuple[str, ...] = (),
) -> Profile:
    """A billing customer's profile; one that was never seen has its id only.

    So has one of test mode beside live: it matches nothing, and is no part of what the customers of
    a domain look like together.

    `tax_ids` are those that were last told of it: the body of an event tells none.
    """
    local = local_id(key)
    if body is None or workspace.set_apart(key.split("/", 2)[1]):
        return customer_profile(Party(local))
    party = Party(
        local,
        name=body.name,
        company=body.company,
        emails=(body.email,) if body.email else (),
        city=body.city,
        country=body.country,
        phone=body.phone,
        tax_ids=(*tax_ids, body.tax_id) if body.tax_id else tax_ids,
        crm_id=body.crm_id,
    )
    profile = customer_profile(party, overrides_of(workspace))
    if not workspace.contacts:
        return profile
    told = customer_type(profile, body.told_type) or workspace.default_record
    return replace(profile, individual=told in {"individual", "contact"})


def _party_of_contact(key: ExternalKey, body: CrmRecord) -> Profile:
    emails = (body.email, *body.more_emails)
    party = Party(
        local_id(key),
        emails=tuple(filter(None, emails)),
        stripe_ids=body.stripe_customer_ids,
        merged_ids=tuple(filter(None, body.merged_ids)),
    )
    return contact_profile(party)


def _parent(key: ExternalKey, body: CrmRecord) -> str | None:
    if body.parent_id is None:
        return None
    _, connection, kind, _ = key.split("/", 3)
    return f"{connection}/{kind}/{body.parent_id}"


def party_of_record(key: ExternalKey, body: CrmRecord, workspace: WorkspaceRow) -> Profile | None:
    """A CRM record's profile; None of a contact while customers only go to companies."""
    if key.split("/", 3)[2] == "contact":
        return _party_of_contact(key, body) if workspace.contacts else None
    party = Party(
        local_id(key),
        name=body.name,
        emails=(body.email,) if body.email else (),
        domains=body.domains,
        city=body.city,
        country=body.country,
        phone=body.phone,
        tax_ids=body.tax_ids,
        stripe_ids=body.stripe_customer_ids,
        parent_id=_parent(key, body),
        merged_ids=tuple(filter(None, body.merged_ids)),
    )
    return record_profile(party, overrides_of(workspace))
