"""What comes near by time alone: the end of a trial, a renewal, a card's expiry (design 5).

A function of the customers and the instant; the account remembers the instants it has announced,
so that each is announced once, and again only when the instant is another one.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from plumbline_schemas.accounts import Reminder
from plumbline_schemas.ids import ExternalKey, external_key

from plumbline_domain.customer import Customer
from plumbline_domain.facts import CARD_LEAD, RENEWAL_LEAD, TRIAL_LEAD
from plumbline_domain.tally import Dated
from plumbline_domain.tenure import default_card

LEADS: Final[dict[Reminder, timedelta]] = {
    "account.trial_ending": TRIAL_LEAD,
    "account.renewal_approaching": RENEWAL_LEAD,
    "account.card_expiring": CARD_LEAD,
}
"""How long before the instant it is near."""


class Coming(NamedTuple):
    """What will happen, and to which subscription, or for a card to which customer."""

    at: datetime
    subject: ExternalKey


def near(members: Sequence[Customer], at: datetime) -> dict[Reminder, Coming]:
    """The first of each kind that is ahead and near at the instant `at`.

    A renewal only of a subscription that will be billed again, and not so often that it is always
    near; a card only of a customer with a live subscription.
    """
    found: dict[Reminder, Coming] = {}
    for member in members:
        for name, coming in _ahead(member):
            known = found.get(name)
            ahead = at < coming.at <= at + LEADS[name]
            if ahead and (known is None or coming < known):
                found[name] = coming
    return found


def _ahead(member: Customer) -> list[tuple[Reminder, Coming]]:
    counted = member.holdings.tally
    card = default_card([member]) if counted.methods else None
    found: list[tuple[Reminder, Coming]] = []
    if counted.trial is not None:
        found.append(("account.trial_ending", _of_subscription(member, counted.trial)))
    if counted.renewing is not None:
        found.append(("account.renewal_approaching", _of_subscription(member, counted.renewing)))
    if card is not None:
        found.append(("account.card_expiring", Coming(card.at, member.key)))
    return found


def _of_subscription(member: Customer, dated: Dated) -> Coming:
    workspace, connection, _ = member.key.split("/", 2)
    return Coming(dated.at, external_key(workspace, connection, "subscription", dated.by.vendor_id))
