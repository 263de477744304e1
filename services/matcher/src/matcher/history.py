"""What an account's fold takes from its stored state, and puts back: baselines and trails."""

from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction

from plumbline_domain.baselines import Amounts, Baselines, History, Step, Trails
from plumbline_domain.instants import instant_text
from plumbline_schemas.ids import ExternalKey

from matcher.documents import StateDocument, StepDocument
from matcher.rows import AccountRow


def history_of(row: AccountRow, *, whole_book: bool) -> History:
    """As the domain has it."""
    return History(
        {ExternalKey(customer): _amounts(plain) for customer, plain in row.baselines.items()},
        whole_book=whole_book,
        expanded=row.state is not None and row.state["stage"] == "expanded",
        trails=_trails(row.state),
    )


def plain_baselines(baselines: Baselines) -> dict[str, dict[str, str]]:
    """As JSON has them."""
    return {key: _plain(baselines[key]) for key in sorted(baselines)}


def plain_trails(trails: Trails) -> dict[str, list[StepDocument]]:
    """As JSON has them."""
    return {
        key: [{"at": instant_text(step.at), "mrr": _plain(step.mrr)} for step in trails[key]]
        for key in sorted(trails)
    }


def _trails(state: StateDocument | None) -> Trails:
    """Nothing in a state of before there were any."""
    stored: dict[str, list[StepDocument]] = (
        {} if state is None else dict(state).get("trails", {})  # type: ignore[assignment]
    )
    return {
        ExternalKey(customer): tuple(
            Step(datetime.fromisoformat(step["at"]), _amounts(step["mrr"])) for step in steps
        )
        for customer, steps in stored.items()
    }


def _amounts(plain: Mapping[str, str]) -> Amounts:
    return {code: Fraction(text) for code, text in plain.items()}


def _plain(amounts: Amounts) -> dict[str, str]:
    return {code: str(amount) for code, amount in sorted(amounts.items())}
