"""Which decision a person means who takes one back."""

from collections.abc import Iterable

from plumbline_schemas.ids import account_id, split_key
from plumbline_schemas.review_outputs import StandingDecision

from console.deciding.standing import short_id
from console.review.items import KINDS

_TYPED = 4


def matching(stood: Iterable[StandingDecision], text: str) -> list[StandingDecision]:
    """Standing decisions that `text` names.

    By the decision's id, its subject, the id of the item it answered (that item is closed, so its
    id is made anew from what the decision names), or a customer's key or vendor id. A decision's
    or an item's id goes before a customer's.
    """
    wanted = text.strip()
    alive = [one for one in stood if not one.withdrawn]
    exact = [one for one in alive if wanted == one.subject or _is(wanted, _decision_key(one))]
    if exact:
        return exact
    answered = [one for one in alive if any(_is(wanted, key) for key in _items(one))]
    if answered:
        return answered
    return [one for one in alive if wanted in _customers(one)]


def _is(typed: str, key: str) -> bool:
    return len(typed) >= _TYPED and short_id(key).startswith(typed.lower())


def _decision_key(one: StandingDecision) -> str:
    return f"{one.workspace}/@/decision/{one.subject}"


def _items(one: StandingDecision) -> list[str]:
    """Keys of the items that the decision may have answered."""
    subjects = []
    if one.customer is not None:
        subjects += [one.customer, account_id(one.customer)]
    if one.other is not None:
        pair = (one.customer or one.record or one.other, one.other)
        subjects.append("|".join(sorted(pair)))
    return [f"{one.workspace}/{kind}/{subject}" for kind in KINDS for subject in subjects]


def _customers(one: StandingDecision) -> set[str]:
    if one.customer is None:
        return set()
    return {one.customer, split_key(one.customer).vendor_id}
