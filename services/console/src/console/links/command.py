"""`plumbline links show|history|unlink|cannot-link`."""

from typing import Annotated

import typer

from console.review.options import WAIT, By, Json, Wait

links_app = typer.Typer(
    help="What is linked to what, since when, and by whom.", no_args_is_help=True
)

Customer = Annotated[str, typer.Argument(help="Key or vendor id of a billing customer.")]


@links_app.command("show")
def links_show(
    named: Annotated[str, typer.Argument(metavar="ACCOUNT|KEY", help="Or a vendor's id.")],
    *,
    json: Json = False,
) -> None:
    """What an account is linked to now. Exit 1: nothing."""
    from console.deciding.run import ask
    from console.links.read import show_links
    from console.links.show import print_links

    raise typer.Exit(ask(lambda desk: show_links(desk, named), print_links, as_json=json))


@links_app.command("history")
def links_history(
    key: Annotated[str, typer.Argument(help="Of a customer or a record; or its vendor id.")],
    *,
    json: Json = False,
) -> None:
    """Every link a customer or record ever had. Exit 1: none."""
    from console.deciding.run import ask
    from console.links.read import link_history
    from console.links.show import print_history

    raise typer.Exit(ask(lambda desk: link_history(desk, key), print_history, as_json=json))


@links_app.command("unlink")
def links_unlink(
    customer: Customer,
    *,
    record: Annotated[
        str | None, typer.Option("--from", metavar="RECORD", help="Where it has several.")
    ] = None,
    by: By = None,
    wait: Wait = WAIT,
    json: Json = False,
) -> None:
    """Close a customer's link for good; `plumbline review undo` takes it back."""
    from console.deciding.answer import answer
    from console.links.act import unlink

    answer(
        lambda desk, decider: unlink(desk, customer, record, by=decider, wait=wait),
        by,
        as_json=json,
    )


@links_app.command("cannot-link")
def links_cannot_link(
    customer: Customer,
    other: Annotated[str, typer.Argument(help="Key or vendor id of a record or a customer.")],
    *,
    by: By = None,
    wait: Wait = WAIT,
    json: Json = False,
) -> None:
    """Never link a customer to a record, or two customers to one account."""
    from console.deciding.answer import answer
    from console.links.act import cannot_link

    answer(
        lambda desk, decider: cannot_link(desk, customer, other, by=decider, wait=wait),
        by,
        as_json=json,
    )
