"""Test mode beside live in one workspace: such customers have accounts, but no CRM record.

Live and test are separate connections and never mix (features P10, billing.md): a CRM record shows
live money. A workspace with test connections alone matches and writes as any other.
"""

from plumbline_schemas.ids import AccountId, ExternalKey
from plumbline_schemas.internal import WorkspaceConfig

from matcher.snapshot import Snapshot


def succeed(before: WorkspaceConfig | None, after: WorkspaceConfig) -> WorkspaceConfig:
    """The next configuration, which remembers the connections that were taken out."""
    if before is None:
        return after
    names = {one.name for one in after.connections}
    known = {one.name: one for one in (*before.former, *before.connections)}
    former = tuple(known[name] for name in sorted(known.keys() - names))
    return after.model_copy(update={"former": former})


def matchable(snapshot: Snapshot, account: AccountId) -> list[ExternalKey]:
    """The customers of an account that may bring it a CRM record, by key."""
    workspace = snapshot.workspace
    customers = snapshot.customers_of(account)
    return [key for key in customers if not workspace.set_apart(key.split("/", 2)[1])]


def is_apart(snapshot: Snapshot, account: AccountId) -> bool:
    """Whether an account is one of customers that are all set apart."""
    return bool(snapshot.customers_of(account)) and not matchable(snapshot, account)


def let_go_of_records(snapshot: Snapshot, account: AccountId) -> set[AccountId]:
    """Close the links to CRM records of an account that is set apart by now."""
    if not is_apart(snapshot, account):
        return set()
    for record in snapshot.records_of(account):
        snapshot.close_link(record)
    return {account}
