"""Which changes no customer's own event brought about: pure, field by field (design 7).

`turned`: a walk, a read or the configuration would have a record read churned or without MRR that
was last written otherwise. `moved`: the configuration would change a value a record holds.
`mapped`: it would write a value to another property.
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Final, Literal

from plumbline_schemas.accounts import AccountState, ChangeCause

from writeback.effects import Effect

Doubt = Literal["turned", "moved", "mapped"]

_DOUBTED: Final = frozenset({"read", "walk", "config"})
_WALKED: Final = frozenset({"walk", "reconcile", "poll"})
_LIFE: Final = ("mrr", "state", "stage")


def doubt_of(
    known: Effect, desired: Mapping[str, str], state: AccountState, mapping: Mapping[str, str]
) -> Doubt | None:
    """Why `desired` should be counted by the brake before it is written, None for no reason.

    A change that an event of the customer has a part in is the customer's. So is what was never
    written before: there is nothing to lose.
    """
    causes = {name: cause(state, field) for field, name in mapping.items()}
    news = [name for name, value in desired.items() if known.desired.get(name) != value]
    if any(causes.get(name) == "event" for name in news):
        return None
    if any(
        causes[name] in _DOUBTED and dead(field, desired.get(name)) and _lives(field, name, known)
        for field, name in mapping.items()
        if field in _LIFE
    ):
        return "turned"
    configured = any(causes.get(name) == "config" and known.applied.get(name) for name in news)
    return "moved" if configured else None


def doubt_of_blank(known: Effect, state: AccountState, mapping: Mapping[str, str]) -> Doubt | None:
    """Why emptying a record should be counted: a walk or the configuration took its link away."""
    if state.cause not in {"walk", "config"}:
        return None
    living = any(_lives(field, name, known) for field, name in mapping.items() if field in _LIFE)
    return "turned" if living else None


def differs(known: Effect, desired: Mapping[str, str]) -> bool:
    """Whether writing `desired` may change the record, as far as earlier writes tell."""
    return any(known.applied.get(name) != value for name, value in desired.items())


def cause(state: AccountState, field: str) -> ChangeCause | None:
    """What made a field's value; told by its object's origin in states that don't say it."""
    found = state.fields.get(field)
    if found is None or found.cause is not None:
        return None if found is None else found.cause
    return "walk" if found.origin in _WALKED else "event" if found.origin == "webhook" else None


def dead(field: str, value: str | None) -> bool:
    """Whether a value says that the customer is gone or pays nothing."""
    if field != "mrr":
        return value == "churned"
    try:
        return value is not None and Decimal(value) == 0
    except InvalidOperation:
        return False


def _lives(field: str, name: str, known: Effect) -> bool:
    last = known.applied.get(name)
    return bool(last) and not dead(field, last)
