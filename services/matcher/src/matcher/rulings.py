"""What people decided about matches, folded: link, not this one, split, agency, and taken back.

A person's word stands over every decision of the machine, until it is taken back; only the vendor's
own merges and deletions move such a link (identity.md 7).
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from plumbline_schemas.ids import AccountId, ExternalKey
from plumbline_schemas.internal import Decision, DecisionAction

from matcher.identity_parties import local_id, side_of
from matcher.matching import found, link_record, redecide, rematch, waiting_mates
from matcher.rows import Ruling
from matcher.snapshot import Snapshot
from matcher.splitting import separate
from matcher.verdicts import person_grounds


def rule(snapshot: Snapshot, key: ExternalKey, decision: Decision) -> set[AccountId]:
    """Carry a person's decision through; returns the accounts it touched.

    The customer and the others on its domain that wait are decided again at once.
    """
    customer = decision.customer
    if customer is None or decision.action == "not_duplicate":
        return set()
    if snapshot.link(customer) is None:
        return _early(snapshot, key, decision)
    touched = {found(snapshot, customer)} | _take_back(snapshot, key)
    if not decision.withdrawn:
        touched |= _ACTIONS[decision.action](snapshot, key, decision)
    for account in sorted(touched):
        touched |= rematch(snapshot, account)
    for account in waiting_mates(snapshot, customer):
        touched |= rematch(snapshot, account)
    return touched


def _early(snapshot: Snapshot, key: ExternalKey, decision: Decision) -> set[AccountId]:
    """A decision about a customer that was never seen waits for it."""
    _take_back(snapshot, key)
    if not decision.withdrawn and decision.customer is not None:
        _note(snapshot, key, decision, decision.customer, decision.record)
    return set()


def _take_back(snapshot: Snapshot, key: ExternalKey) -> set[AccountId]:
    """Whatever an earlier decision on the same subject said holds no longer."""
    touched: set[AccountId] = set()
    for ruling in snapshot.rulings.of_decision(key):
        snapshot.rulings.drop(ruling)
        link = snapshot.link(ruling.customer)
        if link is None:
            continue
        touched.add(link.account_id)
        if ruling.action == "keep_merged":
            snapshot.accounts[link.account_id].kept_merged = False
            snapshot.changed_accounts.add(link.account_id)
        held = None if ruling.other is None else snapshot.link(ruling.other)
        linked = ruling.action in {"link", "subsidiary"}
        if linked and held is not None and held.account_id == link.account_id:
            snapshot.close_link(held.key)
        if ruling.action == "agency":
            _forget_agency(snapshot, key)
            touched |= _redecide_domain(snapshot, ruling.customer)
    return touched


def _link(snapshot: Snapshot, key: ExternalKey, decision: Decision) -> set[AccountId]:
    customer, record = _pair(decision)
    _note(snapshot, key, decision, customer, record)
    account = found(snapshot, customer)
    touched = {account}
    others = [one for one in snapshot.records_of(account) if one != record]
    if others and len(snapshot.customers_of(account)) > 1:
        touched |= separate(snapshot, customer)
        account = found(snapshot, customer)
    else:
        for other in others:
            snapshot.close_link(other)
    if snapshot.identity.profile("record", local_id(record)) is None:
        return touched
    grounds = person_grounds(Ruling(customer, key, decision.action, record, decision.decided_by))
    held = snapshot.link(record)
    if held is not None and held.account_id == account:
        snapshot.close_link(record)
    return touched | link_record(snapshot, account, record, grounds)


def _apart(snapshot: Snapshot, key: ExternalKey, decision: Decision) -> set[AccountId]:
    """The pair is never linked; if it is, the customer leaves."""
    customer, other = _pair(decision)
    _note(snapshot, key, decision, customer, other)
    account = found(snapshot, customer)
    if side_of(other) == "customer":
        _note(snapshot, key, decision, other, customer)
        held = snapshot.link(other)
        together = held is not None and held.account_id == account
        return separate(snapshot, customer) if together else set()
    if other not in snapshot.records_of(account):
        return set()
    if len(snapshot.customers_of(account)) > 1:
        return separate(snapshot, customer)
    snapshot.close_link(other)
    return {account}


def _split(snapshot: Snapshot, key: ExternalKey, decision: Decision) -> set[AccountId]:
    customer = decision.customer
    if customer is None:
        return set()
    records = snapshot.records_of(found(snapshot, customer))
    record = decision.record or (records[0] if records else None)
    _note(snapshot, key, decision, customer, record)
    return separate(snapshot, customer)


def _pick(snapshot: Snapshot, key: ExternalKey, decision: Decision) -> set[AccountId]:
    """The account is the customer's; the others leave, and don't come back to the record."""
    winner = decision.customer
    if winner is None:
        return set()
    account = found(snapshot, winner)
    records = snapshot.records_of(account)
    _note(snapshot, key, decision, winner, None)
    touched = {account}
    for customer in snapshot.customers_of(account):
        if customer != winner:
            other = records[0] if records else None
            snapshot.rulings.put(Ruling(customer, key, "split", other, decision.decided_by))
            touched |= separate(snapshot, customer)
    return touched


def _keep(snapshot: Snapshot, key: ExternalKey, decision: Decision) -> set[AccountId]:
    if decision.customer is None:
        return set()
    _note(snapshot, key, decision, decision.customer, None)
    account = found(snapshot, decision.customer)
    snapshot.accounts[account].kept_merged = True
    snapshot.changed_accounts.add(account)
    return {account}


def _agency(snapshot: Snapshot, key: ExternalKey, decision: Decision) -> set[AccountId]:
    """The customer's domain is evidence for nobody but whom the owner's name fits."""
    if decision.customer is None:
        return set()
    _note(snapshot, key, decision, decision.customer, None)
    profile = snapshot.identity.profile("customer", local_id(decision.customer))
    if profile is None or not profile.domains:
        return set()
    workspace = snapshot.workspace
    workspace.agencies = {**workspace.agencies, key: profile.domains[0]}
    snapshot.identity.hub(workspace.agencies.values())
    return _redecide_domain(snapshot, decision.customer)


def _forget_agency(snapshot: Snapshot, key: ExternalKey) -> None:
    workspace = snapshot.workspace
    workspace.agencies = {name: one for name, one in workspace.agencies.items() if name != key}
    snapshot.identity.hub(workspace.agencies.values())


def _redecide_domain(snapshot: Snapshot, customer: ExternalKey) -> set[AccountId]:
    """Links that evidence made on the domain stand only if it still would."""
    profile = snapshot.identity.profile("customer", local_id(customer))
    mates = set() if profile is None else snapshot.identity.mates_of(profile)
    name = snapshot.workspace.workspace
    touched: set[AccountId] = set()
    for local in sorted({local_id(customer), *mates}):
        touched |= redecide(snapshot, ExternalKey(f"{name}/{local}"))
    return touched


def _create(snapshot: Snapshot, key: ExternalKey, decision: Decision) -> set[AccountId]:
    """The customer wants a record of its own from now on (`wishes`), whatever the policy.

    One that it is linked to is not its own, unless that was created for it.
    """
    customer = decision.customer
    if customer is None:
        return set()
    account = found(snapshot, customer)
    held = [link for link in snapshot.links_of(account) if side_of(link.key) == "record"]
    others = [link.key for link in held if link.method != "created"]
    _note(snapshot, key, decision, customer, others[0] if others else None)
    if others and len(snapshot.customers_of(account)) > 1:
        return separate(snapshot, customer)
    for record in others:
        snapshot.close_link(record)
    return {account}


def _pair(decision: Decision) -> tuple[ExternalKey, ExternalKey]:
    if decision.customer is None or decision.record is None:
        raise ValueError(f"a decision {decision.action} names a customer and a record")
    return decision.customer, decision.record


def _note(
    snapshot: Snapshot,
    key: ExternalKey,
    decision: Decision,
    customer: ExternalKey,
    other: ExternalKey | None,
) -> None:
    snapshot.rulings.put(Ruling(customer, key, decision.action, other, decision.decided_by))


_Action = Callable[[Snapshot, ExternalKey, Decision], set[AccountId]]
_ACTIONS: Final[Mapping[DecisionAction, _Action]] = MappingProxyType(
    {
        "link": _link,
        "subsidiary": _link,
        "not_this": _apart,
        "cannot_link": _apart,
        "unlink": _apart,
        "split": _split,
        "pick_winner": _pick,
        "keep_merged": _keep,
        "agency": _agency,
        "create": _create,
    }
)
