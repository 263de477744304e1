"""What comes near by time alone: the end of a trial, a renewal, a card's expiry (design 5).

A function of the customers and the instant; the account remembers the instants it has announced,
so that each is announced once, and again only when the instant is another one.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from plumbline_schemas.accounts import Reminder

from plumbline_domain.customer import Customer
from plumbline_domain.facts import CARD_LEAD, RENEWAL_LEAD, TRIAL_LEAD
from plumbline_domain.tally import Dated, counted_together
from plumbline_domain.tenure import default_card

LEADS: Final[dict[Reminder, timedelta]] = {
    "account.trial_ending": TRIAL_LEAD,
    "account.renewal_approaching": RENEWAL_LEAD,
    "account.card_expiring": CARD_LEAD,
}
"""How long before the instant it is near."""


def near(members: Sequence[Customer], at: datetime) -> dict[Reminder, Dated]:
    """What is ahead and near at the instant `at`.

    A renewal is near only of a subscription that will be billed again.
    """
    found = counted_together([member.holdings.tally for member in members])
    ahead: dict[Reminder, Dated | None] = {
        "account.trial_ending": found.trial,
        "account.renewal_approaching": found.renewing,
        "account.card_expiring": default_card(members),
    }
    return {
        name: coming
        for name, coming in ahead.items()
        if coming is not None and at < coming.at <= at + LEADS[name]
    }
