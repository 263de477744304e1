"""A customer leaves the account it shares: each goes to the account its own key founds."""

from plumbline_schemas.ids import AccountId, ExternalKey, account_id

from matcher.rows import AccountRow, Grounds
from matcher.snapshot import Snapshot, kind_of


def separate(snapshot: Snapshot, customer: ExternalKey) -> set[AccountId]:
    """Part a customer from the others of its account; they keep the CRM record.

    Whoever founded the account keeps its id: if that is the customer, the others move, and the
    record with them, to the account that the first of them founds (design 4). Returns both.
    """
    link = snapshot.link(customer)
    if link is None:
        return set()
    account = link.account_id
    others = [one for one in snapshot.customers_of(account) if one != customer]
    if not others:
        return {account}
    if account_id(customer) == account:
        moving = [*others, *snapshot.records_of(account)]
        target = _founded(snapshot, others[0])
    else:
        moving, target = [customer], _founded(snapshot, customer)
    for key in moving:
        _move(snapshot, key, target)
    return {account, target.account_id}


def _founded(snapshot: Snapshot, customer: ExternalKey) -> AccountRow:
    """The account that a customer's key founds; one that was merged away stands again."""
    name = account_id(customer)
    if name not in snapshot.accounts:
        if name not in snapshot.accounts_known:
            snapshot.unlinked.add(customer)
        snapshot.accounts[name] = AccountRow(name, customer)
    row = snapshot.accounts[name]
    row.merged_into = None
    snapshot.changed_accounts.add(name)
    return row


def _move(snapshot: Snapshot, key: ExternalKey, target: AccountRow) -> None:
    link = snapshot.close_link(key)
    grounds = link.grounds
    if kind_of(key) == "customer":
        vendor_id = key.split("/", 3)[3]
        if account_id(key) == target.account_id:
            grounds = Grounds("founder", f"founded by Stripe customer {vendor_id}")
        left = snapshot.accounts[link.account_id]
        baselines = dict(left.baselines)
        if key in baselines:
            target.baselines = {**target.baselines, key: baselines.pop(key)}
            left.baselines = baselines
        snapshot.changed_accounts.add(left.account_id)
    snapshot.open_link(key, target.account_id, grounds)
