"""Several Stripe accounts in one workspace: one CRM record, each one's share, modes apart."""

from typing import Any

import pytest
from console.ledger.reading import Asked, read_ledger
from matcher.digest import digest
from plumbline_schemas.accounts import AccountState
from plumbline_schemas.topics import ACCOUNTS_STATE

pytestmark = pytest.mark.server


def named(name: str, mode: str | None = "live") -> dict[str, Any]:
    return {"name": name, "kind": "stripe" if mode else "hubspot", "mode": mode}


def other_account(log: Any, connection: str, vendor_id: str, email: str, amount: int) -> None:
    """A customer with a subscription, seen through another Stripe connection."""
    log.customer(vendor_id, email, connection=connection)
    seen = log.subscription(f"sub_{vendor_id}", vendor_id, amount)
    key = f"acme/{connection}/customer/{vendor_id}"
    log.observations[-1] = seen.model_copy(update={"connection": connection, "parent_key": key})


def two(kit: Any, mode: str, second: str = "test") -> Any:
    log = kit.log()
    log.config(connections=[named("stripe", mode), named("second", second), named("hubspot", None)])
    log.walked("stripe", "second", "hubspot")
    log.company("77", "acme.example")
    log.customer("cus_1", "ann@acme.example")
    log.subscription("sub_1", "cus_1", 1000)
    other_account(log, "second", "cus_2", "bob@acme.example", 300)
    return log


async def state_of(bench: Any, key: str) -> AccountState:
    found = await bench.pool.fetchval(
        """select a.state::text from matcher.links l join matcher.accounts a
           using (workspace, account_id) where l.key = $1 and l.closed_version is null""",
        key,
    )
    return AccountState.model_validate_json(found)


async def test_two_live_accounts_on_one_record(bench: Any, kit: Any) -> None:
    await bench.run(two(kit, "live", "live"))
    state = await state_of(bench, "acme/hubspot/company/77")
    assert [(s.customer, s.mrr.minor, s.plan, s.state) for s in state.shares if s.mrr] == [
        ("acme/second/customer/cus_2", 300, "plan_300", "active"),
        ("acme/stripe/customer/cus_1", 1000, "plan_1000", "active"),
    ]
    told = AccountState.model_validate_json(bench.topics.of(ACCOUNTS_STATE)[-1].value)
    assert told.shares == state.shares


async def test_test_mode_beside_live_has_no_record_and_is_not_in_the_book(
    bench: Any, kit: Any
) -> None:
    log = two(kit, "live")
    await bench.run(log)
    live = await state_of(bench, "acme/hubspot/company/77")
    assert live.fields["mrr"].value.minor == 1000  # type: ignore[union-attr]
    assert [link.key.split("/")[1] for link in live.links] == ["hubspot", "stripe"]
    test = await state_of(bench, "acme/second/customer/cus_2")
    assert test.fields["mrr"].value.minor == 300  # type: ignore[union-attr]
    assert [link.key for link in test.links] == ["acme/second/customer/cus_2"]
    async with bench.pool.acquire() as db:
        book = await read_ledger(db, Asked())
        own = await read_ledger(db, Asked(account=test.id))
    assert {entry.account for entry in book.entries} == {live.id}
    assert test.id in {entry.account for entry in own.entries}


@pytest.mark.parametrize("kept", [True, False])
async def test_going_live_takes_the_record_from_the_test_account(
    bench: Any, kit: Any, kept: bool
) -> None:
    """Whether the test connection stays in the file or is taken out of it."""
    log = kit.log()
    log.config(connections=[named("trying", "test"), named("hubspot", None)])
    log.walked("trying", "hubspot")
    log.company("77", "acme.example")
    other_account(log, "trying", "cus_9", "bob@acme.example", 300)
    await bench.run(log)
    assert (await state_of(bench, "acme/hubspot/company/77")).shares == ()
    connections = [named("stripe"), named("hubspot", None)]
    log.config(connections=[*connections, named("trying", "test")] if kept else connections)
    log.walked("stripe")
    log.customer("cus_1", "ann@acme.example")
    log.subscription("sub_1", "cus_1", 1000)
    await bench.run(log)
    live = await state_of(bench, "acme/hubspot/company/77")
    assert live.fields["mrr"].value.minor == 1000  # type: ignore[union-attr]
    assert (live.shares, live.flags.ambiguous) == ((), False)
    before = await digest(bench.pool)
    await bench.rewind()
    await bench.run(log)
    assert await digest(bench.pool) == before
