"""All five policies side by side, and what is behind each difference.

Two policies differ in named switches. Each of those is turned alone, in the policy that was asked,
and the number asked again: what moves it is a reason, with the rules that then come into the
working or leave it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from plumbline_domain.policies import POLICIES, Policy

from console.explain.answer import Answer, ask

_OF: Final = " of "
"""Tells a rule from the day it was applied with: two days are a difference, too."""
_ORDINARY: Final = frozenset({"subscription.counted", "item.counted"})


@dataclass(frozen=True, slots=True)
class Reason:
    """One switch that differs and moves the number, alone."""

    switch: str
    here: str
    """Its value in the policy that was asked."""
    there: str
    """Its value in the other policy."""
    moved: int | None
    """By how many minor units of the rounded numbers; None when one of them is not known."""
    rules: tuple[str, ...]
    """Rules that it brings in or takes out."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What one policy says, and why it says something else than the one that was asked."""

    policy: str
    answer: Answer
    reasons: tuple[Reason, ...]
    moved: int | None = None
    """By how many minor units of the rounded numbers; None when one of them is not known."""

    @property
    def together(self) -> int:
        """What the reasons, each turned alone, do not explain: they act on each other."""
        alone = [reason.moved for reason in self.reasons]
        if self.moved is None or None in alone:
            return 0
        return self.moved - sum(one for one in alone if one is not None)


def compared(answer: Answer) -> list[Compared]:
    """The account under every policy; nothing for an account that could not be read."""
    if answer.account is None:
        return []
    found = []
    for name, policy in POLICIES.items():
        other = _under(answer, policy)
        differs = _said(other) != _said(answer)
        reasons = _reasons(answer, other, policy) if differs else ()
        found.append(Compared(name, other, reasons, _moved(answer, other)))
    return found


def comparison_document(answer: Answer) -> dict[str, Any]:
    """Each policy's number and the rules behind its difference, by policy."""
    return {
        one.policy: {
            "minor": one.answer.minor,
            "exact": None if one.answer.exact is None else str(one.answer.exact),
            "status": one.answer.status,
            "missing": list(one.answer.missing),
            "because": [
                {
                    "switch": reason.switch,
                    "value": reason.there,
                    "instead_of": reason.here,
                    "moved": reason.moved,
                    "rules": list(reason.rules),
                }
                for reason in one.reasons
            ],
        }
        for one in compared(answer)
    }


def _reasons(answer: Answer, other: Answer, policy: Policy) -> tuple[Reason, ...]:
    asked = answer.question.policy
    switches = [
        field.name
        for field in fields(Policy)
        if field.name != "name" and getattr(asked, field.name) != getattr(policy, field.name)
    ]
    alone = [
        _reason(
            answer, _under(answer, replace(asked, **{name: getattr(policy, name)})), policy, name
        )
        for name in switches
    ]
    moving = tuple(reason for reason, moves in alone if moves)
    if moving:
        return moving
    # None of them does it alone, so all of them do it together.
    rules = _rules_between(answer, other)
    return (Reason(" + ".join(switches), asked.name, policy.name, _moved(answer, other), rules),)


def _reason(answer: Answer, turned: Answer, policy: Policy, name: str) -> tuple[Reason, bool]:
    reason = Reason(
        switch=name,
        here=_word(getattr(answer.question.policy, name)),
        there=_word(getattr(policy, name)),
        moved=_moved(answer, turned),
        rules=_rules_between(answer, turned),
    )
    return reason, _said(turned) != _said(answer)


def _under(answer: Answer, policy: Policy) -> Answer:
    assert answer.account is not None, "only accounts that could be read are compared"
    assert answer.currency is not None, "an account that could be read has a currency"
    question = replace(answer.question, policy=policy)
    return ask(answer.file, answer.account, question, answer.currency)


def _said(answer: Answer) -> tuple[object, ...]:
    error = None if answer.error is None else answer.error.name
    return (answer.status, answer.exact, answer.missing, error)


def _moved(answer: Answer, other: Answer) -> int | None:
    if answer.minor is None or other.minor is None:
        return None
    return other.minor - answer.minor


def _rules_between(one: Answer, other: Answer) -> tuple[str, ...]:
    """Rules that hold of the same subscription, item or discount in one working only.

    An item that is in one working only is there, or not, because of its subscription's rule.
    """
    here, there = _rules(one), _rules(other)
    found: set[str] = set()
    for key in here.keys() & there.keys():
        found |= here[key] ^ there[key]
    return tuple(sorted({rule.partition(_OF)[0] for rule in found} - _ORDINARY))


def _rules(answer: Answer) -> dict[tuple[str, ...], set[str]]:
    """Every rule of the working, by what it was said of."""
    rules: dict[tuple[str, ...], set[str]] = {}
    for part in answer.parts:
        working = part.contribution.working
        if working is None:
            continue
        rules[(part.seen.id,)] = {working.rule}
        for item in working.items:
            dated = f"currency.rate{_OF}{item.rate_day}"
            rules[(part.seen.id, item.item_id)] = {
                dated if rule == "currency.rate" else rule for rule in item.rules
            }
            for step in item.discounts:
                key = (part.seen.id, item.item_id, step.level, step.discount_id)
                rules[key] = {step.rule}
    return rules


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(str, value))
    return str(value)
