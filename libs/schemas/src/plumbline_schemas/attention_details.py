"""`details` of the attention items that ask which company a customer is, or who is there twice."""

from pydantic import BaseModel, ConfigDict

from plumbline_schemas.ids import AccountId, ExternalKey
from plumbline_schemas.money import Money


class Details(BaseModel):
    """Fields are only ever added; what a newer producer says besides is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Evidence(Details):
    """One thing that speaks for a match, or against it."""

    code: str
    sentence: str
    """For a person to read."""
    weight: float
    """In nats (natural log-odds); below zero it speaks against."""


class Candidate(Details):
    """A CRM record that may be the customer's."""

    record: ExternalKey
    name: str | None = None
    probability: float | None = None
    score: float | None = None
    """In nats: what the evidence amounts to."""
    evidence: tuple[Evidence, ...] = ()


class MatchDetails(Details):
    """Of `review_match` (which record is it?) and `questioned_link` (is it still the one?)."""

    customer: ExternalKey | None = None
    account: AccountId | None = None
    name: str | None = None
    email_domain: str | None = None
    group: str | None = None
    """Items of one group are likely settled by one answer: the domain they share."""
    mrr: Money | None = None
    """At stake when the item was opened."""
    reasons: tuple[str, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    """At most three, the best first."""


class SharedDetails(Details):
    """Of `ambiguous_match`: several billing customers share a record."""

    account: AccountId | None = None
    record: ExternalKey | None = None
    customers: tuple[ExternalKey, ...] = ()
    mrr: Money | None = None


class DuplicateDetails(Details):
    """Of `duplicate_records` and `duplicate_customers`."""

    keys: tuple[ExternalKey, ...] = ()
    names: tuple[str | None, ...] = ()
    """Of `keys`, in their order."""
    group: str | None = None
    probability: float | None = None
    evidence: tuple[Evidence, ...] = ()
