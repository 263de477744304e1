"""`plumbline identity ...`: which company a billing customer is, and why."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from plumbline_domain.identity.decide import Decision

identity_app = typer.Typer(
    help="Which company a billing customer is, and why.", no_args_is_help=True
)


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Workspace = Annotated[str | None, typer.Option(help="Only this workspace.")]


@identity_app.command("explain")
def explain(
    customer: Annotated[
        Path, typer.Option(metavar="FILE", help="JSON of one billing customer.", show_default=False)
    ],
    records: Annotated[
        list[Path],
        typer.Option(
            metavar="FILE",
            help="JSON of CRM companies: one, a list or a page; may be given several times.",
            show_default=False,
        ),
    ],
    *,
    json: Json = False,
) -> None:
    """Say what would be decided about a customer with these records and no others, and why.

    Needs no database and changes nothing. Exit 1: an input was wrong.
    """
    from plumbline_domain.identity.explain import decided, decision_text
    from plumbline_domain.identity.weights import shipped

    from console.explain.trouble import BadInput
    from console.identity_files import read_customer, read_records

    try:
        [found] = decided([read_customer(customer)], read_records(records), shipped())
    except BadInput as bad:
        typer.echo(f"{bad.name}: {bad.where}: {bad.why}", err=True)
        raise typer.Exit(1) from bad
    typer.echo(_document(found) if json else "\n".join(decision_text(found)))


@identity_app.command("duplicates")
def duplicates_command(
    *,
    workspace: Workspace = None,
    report_only: Annotated[
        bool, typer.Option("--report-only", help="Print; open and close no attention items.")
    ] = False,
    json: Json = False,
) -> None:
    """Who is there twice, in the CRM and in billing; opens items, merges nothing."""
    from console.deciding.run import ask
    from console.identity_duplicates import print_duplicates, scan

    raise typer.Exit(
        ask(
            lambda desk: scan(desk, workspace=workspace, report_only=report_only),
            print_duplicates,
            as_json=json,
        )
    )


@identity_app.command("report")
def report_command(*, workspace: Workspace = None, json: Json = False) -> None:
    """Match rate, links by method, age of reviews, and how far probabilities were right."""
    from console.deciding.run import ask
    from console.identity_report import print_reports, reports

    raise typer.Exit(
        ask(lambda desk: reports(desk, workspace=workspace), print_reports, as_json=json)
    )


@identity_app.command("recalibrate")
def recalibrate_command(
    *,
    precision: Annotated[
        float, typer.Option(help="Share of automatic links that shall be right.")
    ] = 0.997,
    workspace: Workspace = None,
    json: Json = False,
) -> None:
    """The threshold for a precision, from 200 decided reviews on. Exit 1: there are fewer."""
    from console.deciding.run import ask
    from console.identity_report import print_recalibrated, recalibrate

    if not 0 < precision < 1:
        raise typer.BadParameter(f"--precision lies between 0 and 1, not at {precision}")
    raise typer.Exit(
        ask(
            lambda desk: recalibrate(desk, workspace=workspace, precision=precision),
            print_recalibrated,
            as_json=json,
        )
    )


def _document(found: "Decision") -> str:
    import msgspec
    from plumbline_domain.identity.explain import sentence
    from plumbline_domain.identity.text import NORM_VERSION
    from plumbline_domain.identity.weights import shipped

    weights = shipped()
    return msgspec.json.encode(
        {
            "customer": found.customer_id,
            "outcome": found.outcome,
            "record": found.record_id,
            "method": found.method,
            "reasons": found.reasons,
            "candidates": [
                {
                    "record": c.record_id,
                    "probability": c.probability,
                    "score": c.score,
                    "evidence": [
                        {**piece._asdict(), "sentence": sentence(piece)} for piece in c.evidence
                    ],
                }
                for c in found.candidates
            ],
            "bias": weights.bias,
            "weights_version": weights.version,
            "norm_version": NORM_VERSION,
        }
    ).decode()
