"""What `plumbline up` says of connections that refuse us or are another account."""

import asyncio
from collections.abc import Callable, Mapping

from plumbline_runtime.circuit_rows import Standing, closed_off
from plumbline_runtime.postgres import UNREACHABLE
from rich.markup import escape

from console.reach import connected

_LOOK_SECONDS = 5.0

Standings = Mapping[tuple[str, str], Standing]


def changes(before: Standings, now: Standings) -> list[str]:
    """One line for each connection that stands otherwise than before, in rich markup."""
    lines = []
    for key in sorted({*before, *now}):
        name, standing = "/".join(key), now.get(key)
        if standing is None:
            lines.append(f"[green]{escape(name)}[/green] is accepted again")
        elif (was := before.get(key)) is None or was.state != standing.state:
            what = "wrong account" if standing.state == "wrong_account" else "refused"
            lines.append(
                f"[red]{escape(name)}: {what}[/red], nothing is read or written through it: "
                f"{escape(standing.detail)}"
            )
    return lines


async def tell_of_connections(database_url: Callable[[], str], say: Callable[[str], None]) -> None:
    """Say what changes, until cancelled; a database that doesn't answer is waited for."""
    told: Standings = {}
    while True:
        try:
            async with connected(database_url()) as db:
                found = await closed_off(db)
        except UNREACHABLE:
            found = dict(told)
        for line in changes(told, found):
            say(line)
        told = found
        await asyncio.sleep(_LOOK_SECONDS)
