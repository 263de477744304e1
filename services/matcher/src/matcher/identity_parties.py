"""Between external keys and vendor objects on one side, profiles of identity on the other."""

from collections.abc import Iterator, Mapping
from typing import cast
from zlib import crc32

from plumbline_domain.identity.domain_classes import NO_OVERRIDES, DomainClass, is_personal
from plumbline_domain.identity.index import Side
from plumbline_domain.identity.profile import Party, Profile, customer_profile, record_profile
from plumbline_domain.identity.text import NORM_VERSION
from plumbline_schemas.billing import BillingCustomer
from plumbline_schemas.crm import CrmRecord
from plumbline_schemas.ids import ExternalKey

from matcher.rows import WorkspaceRow


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
    rules = f"{NORM_VERSION}/{'match' if workspace.personal_domains else 'skip'}"
    said = sorted(_said_of(workspace).items())
    return rules if not said else f"{rules}/{crc32(repr(said).encode()):08x}"


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
    key: ExternalKey, body: BillingCustomer | None, workspace: WorkspaceRow
) -> Profile:
    """A billing customer's profile; one that was never seen has its id only."""
    local = local_id(key)
    if body is None:
        return customer_profile(Party(local))
    party = Party(
        local,
        name=body.name,
        company=body.company,
        emails=(body.email,) if body.email else (),
        phone=body.phone,
        crm_id=body.crm_id,
    )
    return customer_profile(party, overrides_of(workspace))


def party_of_record(key: ExternalKey, body: CrmRecord, workspace: WorkspaceRow) -> Profile:
    """A CRM company's profile."""
    party = Party(
        local_id(key),
        name=body.name,
        emails=(body.email,) if body.email else (),
        domains=body.domains,
        phone=body.phone,
        stripe_ids=body.stripe_customer_ids,
        merged_ids=tuple(filter(None, body.merged_ids)),
    )
    return record_profile(party, overrides_of(workspace))
