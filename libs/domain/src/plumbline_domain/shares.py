"""The share of one subscription in its account's MRR, as it is kept beside the object."""

from dataclasses import replace

from plumbline_schemas.billing import Subscription

from plumbline_domain.discount_terms import discount_words
from plumbline_domain.due import first_after, sooner
from plumbline_domain.facts import Share, instants_of
from plumbline_domain.mrr import subscription_mrr
from plumbline_domain.reckoning import Beside


def share_of(vendor_id: str, body: Subscription, beside: Beside) -> Share:
    """What a subscription adds to the MRR at the instant `beside.at`, and until when that holds.

    What is wrong with it is named among what is missing: either way the account keeps its last
    value.
    """
    part = subscription_mrr(vendor_id, body, beside)
    missing = part.missing
    if part.error is not None:
        missing = (*missing, f"{part.error.name}:{part.error.where}")
    until = sooner(part.valid_until, first_after(instants_of(body), beside.at))
    words, words_until = discount_words(body, beside)
    currency = (body.currency or _price_currency(body) or beside.currency).lower()
    own = part.amount
    if currency != beside.currency:
        own = subscription_mrr(vendor_id, body, replace(beside, currency=currency)).amount
    return Share(part.amount, missing, sooner(until, words_until), own, currency, words)


def _price_currency(body: Subscription) -> str | None:
    return body.items[0].price.currency if body.items else None
