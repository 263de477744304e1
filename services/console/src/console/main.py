"""The `plumbline` command: composition root of everything an operator types."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from console.identity import identity_app
from console.links.command import links_app
from console.mrr import mrr_app
from console.review.command import review_app

app = typer.Typer(
    name="plumbline",
    help="Keeps a CRM true to billing.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
accounts_app = typer.Typer(
    help="What Plumbline knows about an account, and why.", no_args_is_help=True
)
app.add_typer(accounts_app, name="accounts")
dlq_app = typer.Typer(help="Records that could not be handled.", no_args_is_help=True)
app.add_typer(dlq_app, name="dlq")
attention_app = typer.Typer(help="Whatever needs a person.", no_args_is_help=True)
app.add_typer(attention_app, name="attention")
app.add_typer(mrr_app, name="mrr")
app.add_typer(identity_app, name="identity")
app.add_typer(review_app, name="review")
app.add_typer(links_app, name="links")

Config = Annotated[
    Path | None,
    typer.Option(
        "--config", help="File or folder of *.toml (default: PLUMBLINE_CONFIG, plumbline.toml)."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Topic = Annotated[str | None, typer.Option(help="Only of this topic.")]
Reason = Annotated[str | None, typer.Option(help="Only of this reason.")]
Connection = Annotated[
    str | None, typer.Option(help="Only of this connection, or workspace/connection.")
]


@app.command()
def up(config: Config = None) -> None:
    """Run Kafka, PostgreSQL and every service until Ctrl-C."""
    from console.up import run_up

    raise typer.Exit(run_up(config))


@app.command()
def migrate(config: Config = None, json: Json = False) -> None:
    """Bring the database up to date."""
    from console.operate import run_migrate

    raise typer.Exit(run_migrate(config, as_json=json))


@app.command()
def apply(config: Config = None, json: Json = False) -> None:
    """Write the configuration that changes results into the log, if it differs from the last."""
    from console.operate import run_apply

    raise typer.Exit(run_apply(config, as_json=json))


@app.command()
def status(config: Config = None, json: Json = False) -> None:
    """Services, what waits, dead letters, last event per connection. Exit 1: not up."""
    from console.inspect import run_status

    raise typer.Exit(run_status(config, as_json=json))


@accounts_app.command("show")
def accounts_show(account: str, config: Config = None, json: Json = False) -> None:
    """One account, by its id or by a linked Stripe customer or CRM record id."""
    from console.inspect import run_show

    raise typer.Exit(run_show(config, account, as_json=json))


@accounts_app.command("search")
def accounts_search(text: str, config: Config = None, json: Json = False) -> None:
    """Accounts whose name, e-mail, plan or ids hold the text. Exit 1: none."""
    from console.inspect import run_search

    raise typer.Exit(run_search(config, text, as_json=json))


@accounts_app.command("why")
def accounts_why(account: str, field: str, config: Config = None, json: Json = False) -> None:
    """Which vendor event, rule and version put a field's value there."""
    from console.inspect import run_why

    raise typer.Exit(run_why(config, account, field, as_json=json))


@accounts_app.command("history")
def accounts_history(account: str, config: Config = None, json: Json = False) -> None:
    """Every change of an account: when, what moved, because of which event."""
    from console.inspect import ask_database
    from console.ledger.history import account_history, print_history

    raise typer.Exit(
        ask_database(
            config, lambda db: account_history(db, account), as_json=json, human=print_history
        )
    )


@dlq_app.command("list")
def dlq_list(
    *,
    topic: Topic = None,
    reason: Reason = None,
    connection: Connection = None,
    limit: Annotated[int, typer.Option(min=1, help="Letters to print.")] = 20,
    everything: Annotated[bool, typer.Option("--all", help="Handled ones, too.")] = False,
    json: Json = False,
) -> None:
    """Open dead letters, newest first, and how many of each cause."""
    from console.dlq import run_list
    from console.letter_box import Wanted

    wanted = Wanted(topic, reason, connection)
    raise typer.Exit(run_list(wanted, limit=limit, everything=everything, as_json=json))


@dlq_app.command("show")
def dlq_show(
    letter: Annotated[str, typer.Argument(help="TOPIC.dlq/PARTITION/OFFSET")],
    body: Annotated[bool, typer.Option("--body", help="The body, secrets replaced.")] = False,
    json: Json = False,
) -> None:
    """One dead letter with its headers. Exit 1: there is none."""
    from console.dlq import run_show

    raise typer.Exit(run_show(letter, body=body, as_json=json))


@dlq_app.command("replay")
def dlq_replay(
    letters: Annotated[list[str] | None, typer.Argument(help="TOPIC.dlq/PARTITION/OFFSET")] = None,
    *,
    topic: Topic = None,
    reason: Reason = None,
    connection: Connection = None,
    everything: Annotated[bool, typer.Option("--all", help="Every open one.")] = False,
    json: Json = False,
) -> None:
    """Send records to their topics again; open letters of the same key go with them, in order."""
    from console.dlq import run_replay
    from console.letter_box import Wanted

    filtered = everything or topic or reason or connection
    if not letters and not filtered:
        raise typer.BadParameter("name letters, or --topic, --reason, --connection, or --all")
    wanted = Wanted(topic, reason, connection) if filtered else None
    raise typer.Exit(run_replay(letters or [], wanted, as_json=json))


@dlq_app.command("discard")
def dlq_discard(
    letters: Annotated[list[str], typer.Argument(help="TOPIC.dlq/PARTITION/OFFSET")],
    reason: Annotated[str, typer.Option(help="Why, for whoever reads it later.")],
    json: Json = False,
) -> None:
    """Mark letters as of no use; they stay in the topic and count no more."""
    from console.dlq import run_discard

    raise typer.Exit(run_discard(letters, reason, as_json=json))


@attention_app.command("list")
def attention_list(
    kind: Annotated[str | None, typer.Option(help="Only this kind.")] = None,
    workspace: Annotated[str | None, typer.Option(help="Only this workspace.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Closed ones, too.")] = False,
    json: Json = False,
) -> None:
    """What is open, oldest first, of every service, whether it runs or not."""
    from console.attention import run_attention

    code = run_attention(kind=kind, workspace=workspace, everything=everything, as_json=json)
    raise typer.Exit(code)


@app.command()
def plan(
    config: Config = None,
    json: Json = False,
    approve: Annotated[
        bool, typer.Option("--apply", help="Approve: let the writes go out.")
    ] = False,
) -> None:
    """What waits for approval, per record and field."""
    from console.inspect import run_plan

    raise typer.Exit(run_plan(config, as_json=json, approve=approve))


@app.command()
def redeliver(
    offset: Annotated[int, typer.Option("--from", min=0, help="Offset to process again from.")] = 0,
    config: Config = None,
    json: Json = False,
) -> None:
    """Set the stored positions back (services stopped); the next start processes again."""
    from console.operate import run_redeliver

    raise typer.Exit(run_redeliver(config, offset, as_json=json))


@app.command()
def rebuild(config: Config = None, json: Json = False) -> None:
    """Fold the log from its first record into an empty database, and compare (services stopped)."""
    from console.operate import run_rebuild

    raise typer.Exit(run_rebuild(config, as_json=json))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def simulate(context: typer.Context, vendor: str) -> None:
    """Run a vendor's simulator alone: `plumbline simulate stripe --port 12111`."""
    from console.simulate import run_simulate

    raise typer.Exit(run_simulate(vendor, context.args))


@app.command()
def demo(
    leave: Annotated[bool, typer.Option("--exit", help="Leave when the story is told.")] = False,
    json: Json = False,
) -> None:
    """Start everything with seeded simulators and play a story. Exit 1: a value was wrong."""
    from console.demo.main import run_demo

    raise typer.Exit(run_demo(leave=leave, as_json=json))


def main() -> None:
    """Entry point; configuration errors are usage errors (exit 2), said in one line."""
    import logging

    from plumbline_runtime.secrets import ConfigError

    # What the Kafka client tries again by itself is nothing a person at a terminal can act on.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        app()
    except ConfigError as error:
        from console.show import fail

        fail(str(error))
        sys.exit(2)


if __name__ == "__main__":
    main()
