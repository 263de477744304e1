"""Links between accounts and external ids: founding, matching, merging (design 6)."""

from collections.abc import Iterable

from plumbline_domain.identity.decide import Decision
from plumbline_domain.identity.profile import Profile
from plumbline_schemas.billing import BillingCustomer
from plumbline_schemas.ids import AccountId, ExternalKey, account_id

from matcher.apart import is_apart, matchable
from matcher.documents import Doubts
from matcher.facts import record_body
from matcher.identity_parties import key_in, local_id, party_of_customer, party_of_record
from matcher.needs import tax_ids_key
from matcher.rows import AccountRow, Grounds, ObjectRow
from matcher.snapshot import Snapshot
from matcher.stored import body_of
from matcher.told import tax_ids_in
from matcher.verdicts import doubt_of, grounds_of, person_grounds, question_of, rivals_in
from matcher.wishes import stored_wish, wanted_record, wish_for


def found(snapshot: Snapshot, customer: ExternalKey) -> AccountId:
    """The account of a billing customer; founded on first sight."""
    link = snapshot.link(customer)
    if link is not None:
        return link.account_id
    name = account_id(customer)
    if name not in snapshot.accounts:
        snapshot.accounts[name] = AccountRow(name, customer)
    vendor_id = customer.split("/", 3)[3]
    grounds = Grounds("founder", f"founded by Stripe customer {vendor_id}")
    snapshot.open_link(customer, name, grounds)
    if customer not in snapshot.objects:
        _put_customer(snapshot, customer, None)
    return name


def index_customer(snapshot: Snapshot, row: ObjectRow) -> bool:
    """Keep a customer's profile equal to its content; True when that changed."""
    told = tax_ids_in(snapshot.objects.get(tax_ids_key(row.key)))
    return _put_customer(snapshot, row.key, body_of(row, BillingCustomer), told)


def _put_customer(
    snapshot: Snapshot,
    customer: ExternalKey,
    body: BillingCustomer | None,
    tax_ids: tuple[str, ...] = (),
) -> bool:
    view, local = snapshot.identity, local_id(customer)
    profile = party_of_customer(customer, body, snapshot.workspace, tax_ids)
    if view.profile("customer", local) == profile:
        return False
    view.put("customer", local, profile)
    return True


def index_record(snapshot: Snapshot, row: ObjectRow) -> list[Profile]:
    """Keep a CRM record's profile equal to its content; deleted or merged away, it has none.

    Returns the profiles it had and has when they differ: who waits for either is decided again.
    """
    view, local = snapshot.identity, local_id(row.key)
    body = record_body(row)
    before = view.profile("record", local)
    after = None if body is None else party_of_record(row.key, body, snapshot.workspace)
    if after is not None and view.merged_away(after):
        after = None
    if before == after:
        return []
    view.put("record", local, after)
    return [profile for profile in (before, after) if profile is not None]


def waiting_on(snapshot: Snapshot, records: Iterable[Profile]) -> list[AccountId]:
    """Accounts without a CRM record, one of whose customers shares a key with any, by id."""
    name = snapshot.workspace.workspace
    holders = [key_in(name, local) for local in snapshot.identity.waiting(records)]
    return _without_record(snapshot, holders)


def waiting_mates(snapshot: Snapshot, customer: ExternalKey) -> list[AccountId]:
    """Accounts without a CRM record on the domain of a customer, its own left out, by id."""
    profile = snapshot.identity.profile("customer", local_id(customer))
    mates = set() if profile is None else snapshot.identity.mates_of(profile)
    name = snapshot.workspace.workspace
    return _without_record(snapshot, [key_in(name, local) for local in mates])


def _without_record(snapshot: Snapshot, customers: Iterable[ExternalKey]) -> list[AccountId]:
    accounts: set[AccountId] = set()
    for customer in customers:
        link = snapshot.link(customer)
        if link is not None:
            accounts.add(link.account_id)
        elif customer not in snapshot.links_known:
            snapshot.unlinked.add(customer)
    return sorted(account for account in accounts if not snapshot.records_of(account))


def rematch(snapshot: Snapshot, account: AccountId) -> set[AccountId]:
    """Decide an account without a CRM record again; returns the accounts that it changed."""
    row = snapshot.accounts.get(account)
    if row is None:
        snapshot.unlinked |= set(snapshot.customers_of(account))
        return set()
    if row.merged_into is not None or snapshot.records_of(account):
        return set()
    for customer in matchable(snapshot, account):
        ruling = snapshot.rulings.linked(customer)
        if ruling is not None and ruling.other is not None and _stands(snapshot, ruling.other):
            return link_record(snapshot, account, ruling.other, person_grounds(ruling))
    doubts: Doubts = {}
    decisions: dict[ExternalKey, Decision] = {}
    rivals: tuple[ExternalKey, ...] = ()
    for customer in matchable(snapshot, account):
        profile = snapshot.identity.profile("customer", local_id(customer))
        profile = profile or party_of_customer(customer, None, snapshot.workspace)
        decision = snapshot.identity.decide(profile, snapshot.rulings.cannot(customer))
        if decision is None:
            continue
        if decision.outcome == "auto" and decision.record_id is not None:
            record = key_in(snapshot.workspace.workspace, decision.record_id)
            if not _strangers(snapshot, account, record):
                return link_record(snapshot, account, record, grounds_of(profile, decision))
        decisions[customer] = decision
        rivals = rivals or rivals_in(snapshot, decision)
        doubt = doubt_of(snapshot, account, customer, decision)
        if doubt is not None:
            doubts[customer] = doubt
    snapshot.findings.wishes[account] = wish_for(snapshot, row, decisions)
    return _wait(snapshot, row, doubts, rivals)


def _stands(snapshot: Snapshot, record: ExternalKey) -> bool:
    """Whether a CRM record is there and was not merged away."""
    return snapshot.identity.profile("record", local_id(record)) is not None


def _strangers(snapshot: Snapshot, account: AccountId, record: ExternalKey) -> bool:
    """Whether a person said of a customer there and one of the record's that they are two."""
    holder = snapshot.link(record)
    if holder is None or holder.account_id == account:
        return False
    theirs = set(snapshot.customers_of(holder.account_id))
    mine = snapshot.customers_of(account)
    return any(snapshot.rulings.strangers(customer) & theirs for customer in mine)


def redecide(snapshot: Snapshot, customer: ExternalKey) -> set[AccountId]:
    """Undo a link of evidence that evidence would not make now; the customer waits again."""
    link = snapshot.link(customer)
    if link is None:
        return set()
    account = link.account_id
    for record in snapshot.records_of(account):
        held = snapshot.link(record)
        if held is None or held.method != "evidence" or _still(snapshot, account, record):
            continue
        snapshot.close_link(record)
        return {account}
    return {account} if not snapshot.records_of(account) else set()


def _still(snapshot: Snapshot, account: AccountId, record: ExternalKey) -> bool:
    """Whether any customer of the account would be linked to the record now."""
    for customer in snapshot.customers_of(account):
        profile = snapshot.identity.profile("customer", local_id(customer))
        if profile is None:
            snapshot.unlinked.add(customer)
            return True
        decision = snapshot.identity.decide(profile, snapshot.rulings.cannot(customer))
        if decision is None or decision.record_id == local_id(record):
            return True
    return False


def question(snapshot: Snapshot, customer: ExternalKey) -> None:
    """Hold a linked customer's news against its link: they question it, and never break it."""
    link = snapshot.link(customer)
    profile = snapshot.identity.profile("customer", local_id(customer))
    if link is None or profile is None or not snapshot.workspace.whole_book:
        return
    records = snapshot.records_of(link.account_id)
    if not records:
        return
    decision = snapshot.identity.decide(profile, snapshot.rulings.cannot(customer))
    if decision is None:
        return
    held = [snapshot.link(record) for record in records]
    by_person = any(one is not None and one.method == "person" for one in held)
    told = decision.record_id
    against = told is not None and told not in {local_id(record) for record in records}
    snapshot.findings.questions[customer] = (
        question_of(snapshot, link.account_id, customer, decision)
        if against and not by_person
        else None
    )


def _wait(
    snapshot: Snapshot, row: AccountRow, doubts: Doubts, rivals: tuple[ExternalKey, ...]
) -> set[AccountId]:
    """Nothing links: what a person is asked, and which records fit about as well."""
    snapshot.findings.doubts[row.account_id] = doubts
    held = {
        name.partition("|")[2]: {k: v for k, v in item.get("details", {}).items() if k != "mrr"}
        for name, item in row.attention.items()
        if name.startswith("review_match|")
    }
    told = held == {key: doubt.details for key, doubt in doubts.items()}
    wants = wanted_record(snapshot, row) != stored_wish(row)
    if rivals == row.candidates and told and not wants:
        return set()
    if rivals != row.candidates:
        row.candidates = rivals
        snapshot.changed_accounts.add(row.account_id)
    return {row.account_id}


def link_record(
    snapshot: Snapshot, account: AccountId, record: ExternalKey, grounds: Grounds
) -> set[AccountId]:
    """Link an account to a CRM record; a record that has an account already merges the two."""
    holder = snapshot.link(record)
    if holder is None:
        if record not in snapshot.links_known:
            snapshot.unlinked.add(record)
        snapshot.open_link(record, account, grounds)
        snapshot.accounts[account].candidates = ()
        return {account}
    if holder.account_id == account:
        return set()
    if holder.account_id not in snapshot.accounts:
        snapshot.unlinked.add(record)
        return set()
    if is_apart(snapshot, holder.account_id):
        snapshot.close_link(record)
        snapshot.open_link(record, account, grounds)
        return {account, holder.account_id}
    survivor = merge(snapshot, account, holder.account_id, record)
    if snapshot.link(record) is None:
        snapshot.open_link(record, survivor, grounds)
    return {account, holder.account_id}


def merge(snapshot: Snapshot, one: AccountId, other: AccountId, record: ExternalKey) -> AccountId:
    """Merge two accounts that belong on one CRM record into the one founded first."""
    rows = sorted((snapshot.accounts[one], snapshot.accounts[other]), key=lambda row: row.age)
    survivor, gone = rows
    for link in snapshot.links_of(gone.account_id):
        snapshot.close_link(link.key)
        grounds = link.grounds
        if link.method in {"founder", "shared_record"}:
            evidence = f"shares CRM record {record.split('/', 3)[3]} with {survivor.account_id}"
            grounds = Grounds("shared_record", evidence)
        snapshot.open_link(link.key, survivor.account_id, grounds)
    for name in [name for name in gone.attention if name.startswith("questioned_link|")]:
        survivor.attention[name] = gone.attention.pop(name)
    gone.merged_into = survivor.account_id
    gone.candidates = ()
    survivor.candidates = ()
    survivor.baselines = {**gone.baselines, **survivor.baselines}
    snapshot.changed_accounts |= {survivor.account_id, gone.account_id}
    return survivor.account_id
