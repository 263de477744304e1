"""How links print for a person."""

from plumbline_schemas.outputs import Output
from plumbline_schemas.review_outputs import LinkHistory, LinkInterval, LinksShown

from console.review.show import print_decisions
from console.show import say, table


def print_links(output: Output) -> None:
    """Open links of an account, and what was decided about it."""
    assert isinstance(output, LinksShown)
    say(f"{output.account}  ({output.workspace})")
    table(
        "Linked to",
        ["external key", "how", "since", "because"],
        [(one.key, _how(one), _at(one), _because(one)) for one in output.links],
        whole=["how", "since"],
    )
    if output.decisions:
        print_decisions(output.decisions)


def print_history(output: Output) -> None:
    """Every interval of one key, oldest first."""
    assert isinstance(output, LinkHistory)
    table(
        output.key,
        ["from", "to", "account", "how", "because"],
        [
            (
                _at(one),
                f"{one.closed_at:%Y-%m-%d %H:%M}" if one.closed_at else _now(one),
                one.account,
                _how(one),
                _because(one),
            )
            for one in output.intervals
        ],
        whole=["from", "to", "how"],
    )
    if output.decisions:
        print_decisions(output.decisions)


def _now(one: LinkInterval) -> str:
    return "now" if one.closed_version is None else f"version {one.closed_version}"


def _at(one: LinkInterval) -> str:
    return f"{one.opened_at:%Y-%m-%d %H:%M}" if one.opened_at else f"version {one.opened_version}"


def _how(one: LinkInterval) -> str:
    by = f"\nby {one.decided_by}" if one.decided_by else ""
    likely = f"\n{one.probability:.1%} likely" if one.probability is not None else ""
    return f"{one.method}{by}{likely}"


def _because(one: LinkInterval) -> str:
    return "\n".join([one.evidence, *(piece.sentence for piece in one.sentences)])
