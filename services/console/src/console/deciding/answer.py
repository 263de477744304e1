"""How a command that decides something ends: asked in somebody's name, printed, exit code."""

from collections.abc import Awaitable, Callable
from typing import NoReturn

import typer
from plumbline_schemas.outputs import Output

from console.deciding.run import Desk, ask
from console.people import who
from console.review.show import print_decided


def answer(
    work: Callable[[Desk, str], Awaitable[tuple[Output, int]]], by: str | None, *, as_json: bool
) -> NoReturn:
    """Do `work` as `by` (None: whoever types), print what came of it, exit with its code."""
    decider = by or who()
    raise typer.Exit(ask(lambda desk: work(desk, decider), print_decided, as_json=as_json))
