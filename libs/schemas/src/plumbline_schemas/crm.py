"""Normalised CRM records: what an observation of a CRM holds in its body."""

from pydantic import Field

from plumbline_schemas.catalogue import Body


class CrmRecord(Body):
    """A HubSpot company or contact (later a Salesforce account or contact)."""

    name: str | None = None
    domains: tuple[str, ...] = ()
    """The domain field, then additional ones, then the website's; as written, not yet reduced."""
    email: str | None = None
    """Contacts only."""
    more_emails: tuple[str, ...] = ()
    """Further addresses of a contact."""
    phone: str | None = None
    city: str | None = None
    country: str | None = None
    """A code or a name, as the CRM has it."""
    postal_code: str | None = None
    tax_ids: tuple[str, ...] = ()
    """Numbers in the property that `[policies.identity] tax_id_property` names."""
    account_id: str | None = None
    """The account that Plumbline created the record for."""
    parent_id: str | None = None
    """Vendor id of the parent company."""
    owner: str | None = None
    stripe_customer_ids: tuple[str, ...] = ()
    """Billing ids that stand on the record in the mapped `stripe_customer_id` property."""
    merged_ids: tuple[str, ...] = ()
    """Ids of records that were merged into this one and still resolve to it."""
    properties: dict[str, str | None] = Field(default_factory=dict)
    """Value of each property of the mapping, by vendor property name, as the vendor wrote it."""
