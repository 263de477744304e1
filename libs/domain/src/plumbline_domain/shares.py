"""The share of one subscription in its account's MRR, as it is kept beside the object."""

from datetime import datetime

from plumbline_schemas.billing import Subscription

from plumbline_domain.due import first_after
from plumbline_domain.facts import Share, instants_of
from plumbline_domain.mrr import subscription_mrr


def share_of(vendor_id: str, body: Subscription, *, currency: str, at: datetime) -> Share:
    """What a subscription adds to the MRR at the instant `at`, and until when that holds."""
    part = subscription_mrr(vendor_id, body, currency=currency, at=at)
    return Share(part.amount, part.missing, first_after(instants_of(body), at))
