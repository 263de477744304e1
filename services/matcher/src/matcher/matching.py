"""Links between accounts and external ids: founding, matching, merging (design 6)."""

from plumbline_domain.identity.exact import (
    NO_MATCH,
    Match,
    MatchKey,
    customer_keys,
    decide_match,
    record_keys,
)
from plumbline_schemas.accounts import LinkMethod
from plumbline_schemas.billing import BillingCustomer
from plumbline_schemas.ids import AccountId, ExternalKey, account_id, external_key

from matcher.apart import is_apart, matchable
from matcher.facts import record_body
from matcher.rows import AccountRow, ObjectRow
from matcher.snapshot import Snapshot
from matcher.stored import body_of


def found(snapshot: Snapshot, customer: ExternalKey) -> AccountId:
    """The account of a billing customer; founded on first sight."""
    link = snapshot.link(customer)
    if link is not None:
        return link.account_id
    name = account_id(customer)
    if name not in snapshot.accounts:
        snapshot.accounts[name] = AccountRow(name, customer)
    vendor_id = customer.split("/", 3)[3]
    snapshot.open_link(customer, name, "founder", f"founded by Stripe customer {vendor_id}")
    if customer not in snapshot.objects:
        snapshot.set_keys(customer, customer_keys(vendor_id, None))
    return name


def index_customer(snapshot: Snapshot, row: ObjectRow) -> None:
    """Keep a customer's match keys equal to its content."""
    vendor_id = row.key.split("/", 3)[3]
    snapshot.set_keys(row.key, customer_keys(vendor_id, body_of(row, BillingCustomer)))


def index_record(snapshot: Snapshot, row: ObjectRow) -> frozenset[MatchKey]:
    """Keep a CRM record's match keys equal to its content; a deleted one has none.

    Returns the keys it had or has: whoever waits on one of them is decided again.
    """
    before = snapshot.keys_of(row.key)
    if row.kind != "company":
        return before
    snapshot.set_keys(row.key, record_keys(row.key.split("/", 3)[3], record_body(row)))
    after = snapshot.keys_of(row.key)
    return frozenset() if before == after else before | after


def waiting_on(snapshot: Snapshot, keys: frozenset[MatchKey]) -> list[AccountId]:
    """Accounts without a CRM record, one of whose customers holds any of the keys, by id."""
    holders = snapshot.holders("billing", keys)
    links = [snapshot.link(holder) for holder in holders]
    accounts = {link.account_id for link in links if link is not None}
    return sorted(account for account in accounts if not snapshot.records_of(account))


def rematch(snapshot: Snapshot, account: AccountId) -> set[AccountId]:
    """Decide an account without a CRM record again; returns the accounts whose links changed."""
    row = snapshot.accounts[account]
    if row.merged_into is not None or snapshot.records_of(account):
        return set()
    match, customer = _decide(snapshot, account)
    if match.candidates != row.candidates:
        row.candidates = match.candidates
        snapshot.changed_accounts.add(account)
    if match.record is None or match.method is None or customer is None:
        return {account}
    return link_record(snapshot, account, match.record, match.method, match.evidence)


def _decide(snapshot: Snapshot, account: AccountId) -> tuple[Match, ExternalKey | None]:
    """The first customer that matches anything decides; ambiguity of a later one is kept too."""
    unsure = NO_MATCH
    workspace = snapshot.workspace
    for customer in matchable(snapshot, account):
        keys = snapshot.keys_of(customer)
        match = decide_match(
            keys,
            {key: snapshot.holders("crm", [key]) for key in keys},
            whole_book=workspace.whole_book,
            personal_domains=workspace.personal_domains,
        )
        if match.record is not None:
            return match, customer
        if match.candidates and not unsure.candidates:
            unsure = match
    return unsure, None


def link_record(
    snapshot: Snapshot,
    account: AccountId,
    record: ExternalKey,
    method: LinkMethod,
    evidence: str,
) -> set[AccountId]:
    """Link an account to a CRM record; a record that has an account already merges the two."""
    holder = snapshot.link(record)
    if holder is None:
        snapshot.open_link(record, account, method, evidence)
        return {account}
    if holder.account_id == account:
        return set()
    if is_apart(snapshot, holder.account_id):
        snapshot.close_link(record)
        snapshot.open_link(record, account, method, evidence)
        return {account, holder.account_id}
    survivor = merge(snapshot, account, holder.account_id, record)
    if snapshot.link(record) is None:
        snapshot.open_link(record, survivor, method, evidence)
    return {account, holder.account_id}


def merge(snapshot: Snapshot, one: AccountId, other: AccountId, record: ExternalKey) -> AccountId:
    """Merge two accounts that belong on one CRM record into the one founded first."""
    rows = sorted((snapshot.accounts[one], snapshot.accounts[other]), key=lambda row: row.age)
    survivor, gone = rows
    for link in snapshot.links_of(gone.account_id):
        snapshot.close_link(link.key)
        method: LinkMethod = "shared_record" if link.method == "founder" else link.method
        evidence = link.evidence
        if method == "shared_record":
            evidence = f"shares CRM record {record.split('/', 3)[3]} with {survivor.account_id}"
        snapshot.open_link(link.key, survivor.account_id, method, evidence)
    gone.merged_into = survivor.account_id
    gone.candidates = ()
    survivor.candidates = ()
    survivor.baselines = {**gone.baselines, **survivor.baselines}
    snapshot.changed_accounts |= {survivor.account_id, gone.account_id}
    return survivor.account_id


def let_go_of_deleted(snapshot: Snapshot, row: ObjectRow) -> set[AccountId]:
    """A deleted CRM record loses its account, which waits for another one, or for its return.

    Deletion was confirmed by a direct read (design 5). A customer belongs on a living record: one
    that takes the deleted one's place is found like any late record, a restored one as well.
    """
    link = snapshot.link(row.key)
    if link is None or not row.deleted:
        return set()
    snapshot.close_link(row.key)
    return {link.account_id} | rematch(snapshot, link.account_id)


def follow_merged_records(snapshot: Snapshot, row: ObjectRow) -> set[AccountId]:
    """A CRM record into which others were merged takes over their links (identity.md 7).

    If both sides carried billing customers, both are kept: the accounts merge and MRR is summed.
    """
    body = record_body(row)
    if body is None:
        return set()
    workspace, connection, kind, vendor_id = row.key.split("/", 3)
    touched: set[AccountId] = set()
    for old_id in sorted(set(body.merged_ids) - {vendor_id}):
        old_key = external_key(workspace, connection, kind, old_id)
        snapshot.set_keys(old_key, frozenset())
        link = snapshot.link(old_key)
        if link is None:
            continue
        snapshot.close_link(link.key)
        evidence = f"CRM record {old_id} was merged into {vendor_id}; {link.evidence}"
        touched.add(link.account_id)
        touched |= link_record(snapshot, link.account_id, row.key, link.method, evidence)
    return touched
