"""The cases by name. A case is an async function that acts on the stage and heals what it broke."""

import importlib
import pkgutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import tests.chaos.cases as cases_package
from tests.chaos.stage import Stage

Play = Callable[[Stage], Awaitable[None]]


@dataclass(frozen=True)
class Case:
    """`row` is the row of engineering 6.2; `settle_seconds` the T of I7.

    `everyday` cases are short enough for every run of the tests; `make chaos` plays all.
    """

    name: str
    row: str
    play: Play
    settle_seconds: float
    soak: bool
    everyday: bool = True


CASES: Final[dict[str, Case]] = {}


def case(
    name: str,
    *,
    row: str,
    settle_seconds: float = 30.0,
    soak: bool = True,
    everyday: bool = True,
) -> Callable[[Play], Play]:
    """Register a case; the soak may choose it, pytest plays it, unless told otherwise."""

    def register(play: Play) -> Play:
        if name in CASES:
            raise ValueError(f"two cases are named {name}")
        CASES[name] = Case(name, row, play, settle_seconds, soak, everyday)
        return play

    return register


def load_cases() -> dict[str, Case]:
    """Import every module of the folder `cases` and return what they registered."""
    for module in pkgutil.iter_modules(cases_package.__path__):
        importlib.import_module(f"{cases_package.__name__}.{module.name}")
    return CASES
