"""Break one switch or rule at a time and show that some row of the cases notices.

`python -m tests.mrr.mutants` prints one line for each, and fails when one goes unnoticed. A rule is
broken in its own words: a piece of the module's text is replaced, and the functions made of the
broken text take the place of the real ones while the rows are reckoned.
"""

import argparse
import importlib
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final

from plumbline_domain.policies import POLICIES, Policy, policy_of

from tests.mrr.fine_print import FINE
from tests.mrr.mutated import RULES, Mutant
from tests.mrr.reckon import Account, account_of, number_of, read
from tests.mrr.table import PAIRS

_OTHER: Final[dict[str, tuple[Any, ...]]] = {
    "past_due": ("counted", "zero"),
    "unpaid": ("counted", "zero"),
    "owing_days": (None, 30, 29, 32),
    "collection_paused": ("counted", "zero"),
    "planned_cancellation": ("counted", "zero"),
    "once": ("counted", "zero"),
    "repeating": ("counted", "zero"),
    "customer_discounts": ("counted", "zero"),
    "metered": ("zero", "last_invoice"),
    "first_invoice": ("counted", "when_paid"),
    "rate_day": ("at", "start"),
    "plan_changes": ("at_once", "when_invoiced"),
    "credits": ("ignored", "taken_off"),
}
"""Values of each switch; `same_month_churn` is about reports and has tests of its own."""
_PAST_ITS_DAYS: Final = {29, 32}
"""Only told from 30 by a policy that has days at all."""


@dataclass(frozen=True, slots=True)
class Row:
    """One account under one policy with its expected value."""

    name: str
    account: Account
    policy: str
    currency: str
    expected: str

    def notices(self, policy: Policy) -> bool:
        """Whether the value is another one; a mutant that breaks the arithmetic is noticed too."""
        try:
            return number_of(self.account, policy, self.currency) != self.expected
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            return True


@lru_cache(maxsize=1)
def rows() -> tuple[Row, ...]:
    """Every row of the table and of the fine print."""
    accounts = {pair.row: account_of(pair.row) for pair in PAIRS}
    found = [
        Row(pair.id, accounts[pair.row], pair.policy, pair.currency, pair.expected)
        for pair in PAIRS
    ]
    for fine in FINE:
        account = read(fine.objects)
        for policy, expected in {"plumbline": fine.expected, **fine.others}.items():
            found.append(Row(fine.name, account, policy, fine.currency, expected))
    return tuple(found)


def switch_mutants() -> Iterator[tuple[str, list[str]]]:
    """Each switch of each preset at another value, with the rows that notice."""
    for name, policy in POLICIES.items():
        for switch, values in _OTHER.items():
            for value in values:
                real = getattr(policy, switch)
                if value == real or (value in _PAST_ITS_DAYS and real is None):
                    continue
                broken = replace(policy, **{switch: value})
                noticed = [row.name for row in rows() if row.policy == name and row.notices(broken)]
                yield f"{name}: {switch} = {value}", noticed


def rule_mutants() -> Iterator[tuple[str, list[str]]]:
    """Each broken rule with the rows that notice."""
    for mutant in RULES:
        with broken_rule(mutant):
            noticed = [row.name for row in rows() if row.notices(POLICIES[row.policy])]
        yield mutant.name, noticed


@contextmanager
def broken_rule(mutant: Mutant) -> Iterator[None]:
    """Run with a module's functions as its text with one replacement makes them."""
    module = importlib.import_module(f"plumbline_domain.{mutant.module}")
    source = inspect.getsource(module)
    if source.count(mutant.old) != 1:
        message = f"{mutant.name}: {mutant.old!r} is {source.count(mutant.old)} times in it"
        raise LookupError(message)
    changed = ModuleType(module.__name__)
    changed.__dict__.update(__file__=module.__file__, __package__=module.__package__)
    real_module = sys.modules[module.__name__]
    sys.modules[module.__name__] = changed  # dataclasses look their module up
    try:
        exec(compile(source.replace(mutant.old, mutant.new), "mutant", "exec"), changed.__dict__)
    finally:
        sys.modules[module.__name__] = real_module
    swapped = dict(_swap(vars(module), vars(changed)))
    _forget(module)
    try:
        yield
    finally:
        for function, code in swapped.items():
            function.__code__ = code
        _forget(module)


def _swap(real: dict[str, Any], changed: dict[str, Any]) -> Iterator[tuple[FunctionType, CodeType]]:
    """Give functions and methods the changed code; yields each with its own."""
    for name in [name for name in real if not name.startswith("__")]:
        own = getattr(real[name], "__wrapped__", real[name])
        other = getattr(changed.get(name), "__wrapped__", changed.get(name))
        here = getattr(own, "__module__", None) == real.get("__name__", real.get("__module__"))
        if isinstance(own, FunctionType) and isinstance(other, FunctionType) and here:
            yield own, own.__code__
            own.__code__ = other.__code__
        elif isinstance(own, type) and isinstance(other, type) and here:
            yield from _swap(dict(vars(own)), dict(vars(other)))


def _forget(module: ModuleType) -> None:
    """Remembered results are those of the other code."""
    for value in vars(module).values():
        if hasattr(value, "cache_clear"):
            value.cache_clear()


def main() -> int:
    """Print every mutant with how many rows notice; 1 when one is unnoticed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", action="store_true", help="name the rows that notice")
    arguments = parser.parse_args()
    unknown = {one.name for one in fields(Policy)} - {*_OTHER, "name", "assumed"}
    assert unknown == {"same_month_churn"}, f"switches without mutants: {sorted(unknown)}"
    assert policy_of("plumbline") is POLICIES["plumbline"]
    wrong = [row.name for row in rows() if row.notices(POLICIES[row.policy])]
    if wrong:
        print(f"the cases fail before anything is broken: {', '.join(wrong)}")
        return 1
    unnoticed = 0
    count = 0
    for name, noticed in (*switch_mutants(), *rule_mutants()):
        count += 1
        unnoticed += not noticed
        shown = f": {', '.join(noticed)}" if arguments.rows and noticed else ""
        verdict = f"noticed by {len(noticed)}" if noticed else "NOT NOTICED"
        print(f"{verdict:<15} {name}{shown}")
    print(f"{count} mutants against {len(rows())} rows, {unnoticed} not noticed")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
