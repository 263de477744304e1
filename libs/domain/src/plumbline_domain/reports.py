"""What a report of movements holds under a policy (table of cases, row 69)."""

from collections import Counter
from collections.abc import Iterable

from plumbline_domain.ledger import Entry
from plumbline_domain.movements import PLANNED
from plumbline_domain.policies import Policy


def reported(entries: Iterable[Entry], policy: Policy) -> list[Entry]:
    """What a report of one month holds.

    Where the policy does not count customers that came and went within the month (`profitwell`),
    all entries of accounts that are `new` in it and end it with nothing are left out; the sum of
    the report stays what it was.
    """
    month = list(entries)
    if policy.same_month_churn == "counted":
        return month
    came = {entry.account for entry in month if entry.kind == "new"}
    left: Counter[str] = Counter()
    for entry in month:
        if entry.account in came and entry.kind not in PLANNED:
            left[entry.account] += entry.amount
    return [entry for entry in month if entry.account not in came or left[entry.account] != 0]
