"""`plumbline mrr ...`: what MRR is made of, what it was, and what moved it."""

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

mrr_app = typer.Typer(help="What MRR is made of.", no_args_is_help=True)

Config = Annotated[Path | None, typer.Option("--config", help="As for every command.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Account = Annotated[str | None, typer.Option(help="Only this account: its id or a linked id.")]
Workspace = Annotated[str | None, typer.Option(help="Whose book, where there are several.")]
Version = Annotated[
    int | None,
    typer.Option(min=1, help="As the ledger stood at this version: repeats an earlier answer."),
]


def read_day(text: str) -> date:
    """A day such as 2026-11-20."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"--date: {text!r} is no day such as 2026-11-20") from None


def read_month(text: str) -> date:
    """The first day of a month such as 2026-11."""
    try:
        year, month = text.split("-")
        if (len(year), len(month)) == (4, 2):
            return date(int(year), int(month), 1)
    except ValueError:
        pass
    raise typer.BadParameter(f"--month: {text!r} is no month such as 2026-11")


@mrr_app.command("at")
def mrr_at_command(
    *,
    day: Annotated[str, typer.Option("--date", metavar="DATE", help="A day such as 2026-11-20.")],
    account: Account = None,
    workspace: Workspace = None,
    version: Version = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """MRR of the book, by plan and account, as a day ended in the workspace's timezone."""
    from console.inspect import ask_database
    from console.ledger.at import mrr_at, print_at
    from console.ledger.reading import Asked

    wanted, asked = read_day(day), Asked(workspace, account, version)
    raise typer.Exit(
        ask_database(config, lambda db: mrr_at(db, asked, wanted), as_json=json, human=print_at)
    )


@mrr_app.command("movements")
def mrr_movements_command(
    *,
    month: Annotated[str, typer.Option(metavar="YYYY-MM", help="A month such as 2026-11.")],
    account: Account = None,
    workspace: Workspace = None,
    version: Version = None,
    lines: Annotated[bool, typer.Option("--lines", help="Every movement, too.")] = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Every movement as CSV, between the balances.")
    ] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """What moved MRR in a month: opening + every movement = closing, to the cent."""
    from console.inspect import ask_database
    from console.ledger.moved import mrr_moved, print_moved
    from console.ledger.reading import Asked
    from console.ledger.sheet import print_sheet

    if as_csv and json:
        raise typer.BadParameter("--csv and --json: name one of them")
    first, asked = read_month(month), Asked(workspace, account, version)
    raise typer.Exit(
        ask_database(
            config,
            lambda db: mrr_moved(db, asked, first, lines=lines or as_csv),
            as_json=json,
            human=print_sheet if as_csv else print_moved,
        )
    )


@mrr_app.command("explain")
def explain(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="Stripe JSON of one account each: a file, or a folder with its *.json.",
            show_default=False,
        ),
    ],
    *,
    policy: Annotated[
        str | None,
        typer.Option(
            help="plumbline (the default), stripe_default, chartmogul, baremetrics, profitwell."
        ),
    ] = None,
    currency: Annotated[
        str | None, typer.Option(help="ISO 4217 code; default: the subscriptions' own.")
    ] = None,
    rates: Annotated[
        Path | None, typer.Option(help="The European Central Bank's CSV: Date,USD,JPY,...")
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="ISO 8601 with zone, such as 2026-11-20T12:00:00Z; default: now."
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="Take the policy from its policies.mrr.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document a line.")] = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="All five policies, and the rule behind each gap.")
    ] = False,
) -> None:
    """Print the arithmetic of an account's MRR. Exit 1: an input was wrong."""
    from console.explain.command import Asked, run_explain

    asked = Asked(files, policy, currency, rates, at, config, as_json=json, compare=compare)
    raise typer.Exit(run_explain(asked))
