"""`plumbline mrr ...`: what MRR is made of."""

from pathlib import Path
from typing import Annotated

import typer

mrr_app = typer.Typer(help="What MRR is made of.", no_args_is_help=True)


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
