"""How a person's decision is known in the log: the id of its observation, made from its subject.

Of two decisions on one subject the later one stands; a withdrawn one leaves the subject undecided.
"""

from typing import Final

from plumbline_schemas.ids import OWN, ExternalKey, external_key, split_key
from plumbline_schemas.internal import PAIR_ACTIONS, Decision

FIRST_WRITE: Final = "first_write"
"""Subject of `approve_plan`: a workspace's first writes to its CRM."""


def subject_of(decision: Decision) -> str:
    """Id of the observation that carries the decision, within its workspace.

    `match:{connection}/{kind}/{vendor id}` for what is decided about one customer, of which one
    decision stands; `pair:{customer}|{record}` for a pair that is never linked, of which a customer
    has many; `apart:{one}|{other}` for two that are no duplicates. A pair of one kind has one
    subject, whichever is named first.
    """
    if decision.other is not None:
        return apart_subject(decision.customer or decision.record or decision.other, decision.other)
    if decision.customer is None:
        return FIRST_WRITE
    if decision.action in PAIR_ACTIONS and decision.record is not None:
        return pair_subject(decision.customer, decision.record)
    return match_subject(decision.customer)


def match_subject(customer: ExternalKey) -> str:
    """Subject of the one decision that stands for a billing customer."""
    return f"match:{_within(customer)}"


def pair_subject(customer: ExternalKey, other: ExternalKey) -> str:
    """Subject of a pair that must not be linked."""
    keys = (customer, other)
    if split_key(other).kind == "customer":
        keys = (min(keys), max(keys))
    return "pair:" + "|".join(_within(key) for key in keys)


def apart_subject(one: ExternalKey, other: ExternalKey) -> str:
    """Subject of two customers, or two records, that are no duplicates."""
    return "apart:" + "|".join(_within(key) for key in sorted((one, other)))


def decision_key(workspace: str, decision: Decision) -> ExternalKey:
    """External key of the decision's observation: what the log and the matcher know it by."""
    return external_key(workspace, OWN, "decision", subject_of(decision))


def _within(key: ExternalKey) -> str:
    _, connection, kind, vendor_id = split_key(key)
    return f"{connection}/{kind}/{vendor_id}"
