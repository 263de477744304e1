"""CRM records come and go: created for an account, deleted, merged into another one."""

from plumbline_schemas.ids import AccountId, external_key

from matcher.apart import is_apart
from matcher.facts import record_body
from matcher.identity_parties import local_id
from matcher.matching import link_record, rematch
from matcher.rows import Grounds, ObjectRow
from matcher.snapshot import Snapshot


def adopt_created(snapshot: Snapshot, row: ObjectRow) -> set[AccountId]:
    """Link a record to the account that it was created for; it bears the account's id.

    Not when the account has found another record meanwhile (this one is a duplicate then), nor when
    a person said that they are two.
    """
    body = record_body(row)
    if body is None or body.account_id is None or snapshot.link(row.key) is not None:
        return set()
    account = snapshot.accounts.get(AccountId(body.account_id))
    if account is None or account.merged_into is not None or is_apart(snapshot, account.account_id):
        return set()
    customers = snapshot.customers_of(account.account_id)
    ruled_out = any(local_id(row.key) in snapshot.rulings.cannot(key) for key in customers)
    if not customers or snapshot.records_of(account.account_id) or ruled_out:
        return set()
    grounds = Grounds("created", f"created for {account.account_id}, whose id it bears")
    return link_record(snapshot, account.account_id, row.key, grounds)


def let_go_of_deleted(snapshot: Snapshot, row: ObjectRow) -> set[AccountId]:
    """A deleted CRM record loses its account, which waits for another one, or for its return.

    Deletion was confirmed by a direct read (design 5). A customer belongs on a living record: one
    that takes the deleted one's place is found like any late record, a restored one as well.
    """
    link = snapshot.link(row.key)
    if link is None or not row.deleted:
        return set()
    snapshot.close_link(row.key)
    snapshot.findings.lost[link.account_id] = row.key
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
        snapshot.identity.put("record", local_id(old_key), None)
        link = snapshot.link(old_key)
        if link is None:
            continue
        snapshot.close_link(link.key)
        evidence = f"CRM record {old_id} was merged into {vendor_id}; {link.evidence}"
        touched.add(link.account_id)
        grounds = link.grounds._replace(evidence=evidence)
        touched |= link_record(snapshot, link.account_id, row.key, grounds)
    return touched
