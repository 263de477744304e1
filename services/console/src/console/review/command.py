"""`plumbline review list|show|decide|undo`: options, read into a choice."""

from typing import TYPE_CHECKING, Annotated

import typer

from console.review.options import (
    WAIT,
    Agency,
    By,
    Create,
    Force,
    Group,
    Item,
    Json,
    KeepMerged,
    Link,
    NotDuplicate,
    NotThis,
    Split,
    Subsidiary,
    Wait,
    Winner,
)

if TYPE_CHECKING:
    from console.review.choices import Choice

review_app = typer.Typer(
    help="Matches that a person decides: which company is this customer?", no_args_is_help=True
)


@review_app.command("list")
def review_list(
    *,
    kind: Annotated[str | None, typer.Option(help="Only this kind.")] = None,
    group: Annotated[str | None, typer.Option(help="Only of this domain.")] = None,
    workspace: Annotated[str | None, typer.Option(help="Only of this workspace.")] = None,
    json: Json = False,
) -> None:
    """Open questions by domain, the most MRR at stake first."""
    from console.deciding.run import ask
    from console.review.items import KINDS
    from console.review.read import listed
    from console.review.show import print_list

    if kind is not None and kind not in KINDS:
        raise typer.BadParameter(f"--kind: {kind!r} is none of {', '.join(KINDS)}")
    raise typer.Exit(
        ask(
            lambda desk: listed(desk, kind=kind, group=group, workspace=workspace),
            print_list,
            as_json=json,
        )
    )


@review_app.command("show")
def review_show(item: Item, *, json: Json = False) -> None:
    """One question with its candidates side by side. Exit 1: it is not open."""
    from console.deciding.run import ask
    from console.review.read import shown
    from console.review.show import print_shown

    raise typer.Exit(ask(lambda desk: shown(desk, item), print_shown, as_json=json))


@review_app.command("decide")
def review_decide(
    item: Item,
    *,
    link: Link = None,
    not_this: NotThis = None,
    create: Create = False,
    agency: Agency = False,
    subsidiary: Subsidiary = None,
    split: Split = None,
    keep_merged: KeepMerged = False,
    winner: Winner = None,
    not_duplicate: NotDuplicate = False,
    group: Group = False,
    force: Force = False,
    by: By = None,
    wait: Wait = WAIT,
    json: Json = False,
) -> None:
    """Answer a question; it is written to the log. Exit 1: refused, or not taken in time."""
    from console.deciding.answer import answer
    from console.review.act import decide

    choice = _choice(
        {
            "link": (link,) if link else (),
            "not_this": tuple(not_this or ()),
            "subsidiary": (subsidiary,) if subsidiary else (),
            "split": (split,) if split else (),
            "pick_winner": (winner,) if winner else (),
        },
        {
            "create": create,
            "agency": agency,
            "keep_merged": keep_merged,
            "not_duplicate": not_duplicate,
        },
        force=force,
    )
    answer(
        lambda desk, decider: decide(desk, item, choice, by=decider, group=group, wait=wait),
        by,
        as_json=json,
    )


@review_app.command("undo")
def review_undo(
    named: Annotated[str, typer.Argument(metavar="ID|DECISION", help="Of an item or a decision.")],
    *,
    everything: Annotated[bool, typer.Option("--all", help="Every decision it names.")] = False,
    by: By = None,
    wait: Wait = WAIT,
    json: Json = False,
) -> None:
    """Take a decision back: what it settled is decided anew. Exit 1: there is none."""
    from console.deciding.answer import answer
    from console.review.act import undo

    answer(
        lambda desk, decider: undo(desk, named, by=decider, everything=everything, wait=wait),
        by,
        as_json=json,
    )


def _choice(naming: dict[str, tuple[str, ...]], plain: dict[str, bool], *, force: bool) -> "Choice":
    """The one answer that was typed; BadParameter (exit 2) for none or several."""
    from typing import cast

    from plumbline_schemas.internal import DecisionAction

    from console.review.choices import OPTIONS, Choice

    given = {action: named for action, named in naming.items() if named}
    given |= {action: () for action, on in plain.items() if on}
    if len(given) != 1:
        raise typer.BadParameter("give one answer: " + ", ".join(OPTIONS.values()))
    [(action, named)] = given.items()
    return Choice(cast("DecisionAction", action), named, force=force)
