"""`plumbline mrr at --date DATE`: the book as a day ended."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date

import asyncpg
from plumbline_domain.ledger import Balances, book_at, end_of_day, plans_at
from plumbline_schemas.ids import AccountId
from plumbline_schemas.ledger_outputs import AccountMrr, MrrAt, MrrSum, PlanMrr
from plumbline_schemas.money import Money
from plumbline_schemas.outputs import Output

from console.ledger.amounts import shown
from console.ledger.reading import Asked, Ledger, read_ledger
from console.show import say, table

ACCOUNTS_SHOWN = 20


async def mrr_at(db: asyncpg.Connection, asked: Asked, day: date) -> tuple[MrrAt, int]:
    """The answer, and 0."""
    return book_on(await read_ledger(db, asked), day), 0


def book_on(ledger: Ledger, day: date) -> MrrAt:
    """Sums over what each account held when the day ended."""
    at = end_of_day(day, ledger.zone)
    book = book_at(ledger.entries, at)
    if ledger.account is not None:
        book = {
            c: {a: m for a, m in held.items() if a == ledger.account} for c, held in book.items()
        }
    book = {currency: held for currency, held in book.items() if held}
    plans = plans_at(ledger.plans, at)
    return MrrAt(
        workspace=ledger.workspace,
        date=day,
        timezone=ledger.zone.key,
        at=at,
        version=ledger.version,
        totals=[_sum(currency, list(held.values())) for currency, held in book.items()],
        plans=_by_plan(book, plans),
        accounts=_accounts(book, plans, ledger.names),
    )


def _sum(currency: str, held: Sequence[int]) -> MrrSum:
    return MrrSum(mrr=Money(minor=sum(held), currency=currency), customers=len(held))


def _by_plan(book: Balances, plans: Mapping[AccountId, str | None]) -> list[PlanMrr]:
    held: dict[tuple[str, str | None], list[int]] = defaultdict(list)
    for currency, accounts in book.items():
        for account, minor in accounts.items():
            held[currency, plans.get(account)].append(minor)
    found = [
        PlanMrr(plan=plan, mrr=Money(minor=sum(minors), currency=code), customers=len(minors))
        for (code, plan), minors in held.items()
    ]
    return sorted(found, key=lambda one: (one.mrr.currency, -one.mrr.minor, one.plan or ""))


def _accounts(
    book: Balances, plans: Mapping[AccountId, str | None], names: Mapping[AccountId, str]
) -> list[AccountMrr]:
    found = [
        AccountMrr(
            account=account,
            name=names.get(account),
            plan=plans.get(account),
            mrr=Money(minor=minor, currency=currency),
        )
        for currency, held in book.items()
        for account, minor in held.items()
    ]
    return sorted(found, key=lambda one: (one.mrr.currency, -one.mrr.minor, one.account))


def print_at(output: Output) -> None:
    """Totals, plans, and the greatest accounts."""
    assert isinstance(output, MrrAt)
    say(
        f"MRR of {output.workspace} at the end of {output.date} ({output.timezone}), "
        f"ledger version {output.version}"
    )
    if not output.totals:
        say("nobody had MRR then")
        return
    for total in output.totals:
        say(f"{shown(total.mrr)} of {_customers(total.customers)}")
    table(
        "By plan",
        ["plan", "customers", "MRR"],
        [(one.plan or "(unknown)", one.customers, shown(one.mrr)) for one in output.plans],
        right=["customers", "MRR"],
    )
    first = output.accounts[:ACCOUNTS_SHOWN]
    table(
        "By account",
        ["account", "name", "plan", "MRR"],
        [(one.account, one.name, one.plan, shown(one.mrr)) for one in first],
        whole=["account", "MRR"],
        right=["MRR"],
    )
    left = len(output.accounts) - len(first)
    if left:
        say(f"and {left} smaller ones; --json has them all")


def _customers(count: int) -> str:
    return "1 customer" if count == 1 else f"{count:,} customers"
