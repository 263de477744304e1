"""Which policy wants which record made, and what links it once it is there."""

from typing import Any

import pytest
from matcher.digest import digest
from plumbline_schemas.accounts import AccountState
from plumbline_schemas.ids import account_id, external_key
from plumbline_schemas.topics import ACCOUNTS_STATE

pytestmark = pytest.mark.server


def acc(customer: str) -> str:
    return account_id(external_key("acme", "stripe", "customer", customer))


async def wanted(bench: Any, customer: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = (await bench.state(customer))["wanted_record"]
    return found


async def items(bench: Any) -> list[tuple[str, str]]:
    rows = await bench.pool.fetch("select kind, subject from matcher.attention_view order by 1, 2")
    return [(row["kind"], row["subject"].rpartition("/")[2]) for row in rows]


async def linked(bench: Any, kit: Any, customer: str) -> list[str]:
    return kit.crm_links(await bench.state(customer))


@pytest.mark.parametrize(
    ("policy", "company", "person"),
    [
        ("leave", False, False),
        ("review", False, False),
        ("hybrid", True, False),
        ("create", True, True),
    ],
)
async def test_what_the_policies_want(
    bench: Any, kit: Any, policy: str, company: bool, person: bool
) -> None:
    log = kit.log()
    log.ready(unmatched=policy)
    log.customer("cus_1", "ann@brantov.example", name="Brantov Robotics GmbH")
    log.customer("cus_2", "runa.holm@gmail.com", name="Runa Holm")
    await bench.run(log)
    wishes = [await wanted(bench, "cus_1"), await wanted(bench, "cus_2")]
    assert [wish is not None for wish in wishes] == [company, person]
    if company:
        assert wishes[0] == {
            "kind": "company",
            "name": "Brantov Robotics GmbH",
            "domain": "brantov.example",
            "email": None,
            "lock": "domain:brantov.example",
            "customers": ["cus_1"],
            "by": "policy",
        }
        states = [one for one in bench.topics.of(ACCOUNTS_STATE) if one.key == acc("cus_1")]
        told = AccountState.model_validate_json(states[-1].value).wanted_record
        assert told is not None
        assert told.name == "Brantov Robotics GmbH"


@pytest.mark.parametrize("policy", ["create", "hybrid"])
async def test_what_may_be_there_is_asked_about(bench: Any, kit: Any, policy: str) -> None:
    log = kit.log()
    log.ready(unmatched=policy)
    log.company("77", "brantov.example", name="Brantov Robotics")
    log.company("78", "quilmark.example", name="Quilmark Foods")
    log.customer("cus_1", "ap@brantov.example", name="Quilmark Foods")
    await bench.run(log)
    assert await wanted(bench, "cus_1") is None
    assert await items(bench) == [("review_match", "cus_1")]


async def test_nothing_is_wanted_before_both_walks_are_complete(bench: Any, kit: Any) -> None:
    log = kit.log()
    log.config(unmatched="create")
    log.customer("cus_1", "ann@brantov.example", name="Brantov Robotics")
    log.walked("stripe")
    await bench.run(log)
    assert await wanted(bench, "cus_1") is None
    log.walked("hubspot")
    await bench.run(log)
    assert await wanted(bench, "cus_1") is not None


async def test_a_policy_that_changes_takes_the_wish_back(bench: Any, kit: Any) -> None:
    log = kit.log()
    log.ready(unmatched="create")
    log.customer("cus_1", "ann@brantov.example", name="Brantov Robotics")
    log.config(unmatched="review")
    await bench.run(log)
    assert await wanted(bench, "cus_1") is None


async def test_customers_that_are_gone_or_were_never_seen_want_nothing(
    bench: Any, kit: Any
) -> None:
    log = kit.log()
    log.ready(unmatched="create")
    log.customer("cus_1", "ann@brantov.example", name="Brantov Robotics")
    log.add("customer", "cus_1", None, deleted=True)
    log.subscription("sub_2", "cus_2")
    await bench.run(log)
    assert await wanted(bench, "cus_1") is None
    assert await wanted(bench, "cus_2") is None


@pytest.mark.parametrize("size", [1, 2, 500])
async def test_the_record_that_was_made_is_linked_by_its_account_id(
    bench: Any, kit: Any, size: int
) -> None:
    """Another customer of that domain, who waited too, is decided with it: one record for both."""
    log = kit.log()
    log.ready(unmatched="create")
    log.customer("cus_1", "ann@brantov.example", name="Brantov Robotics")
    log.customer("cus_2", "bob@brantov.example", name="Brantov Robotics")
    log.company("900", "brantov.example", name="Brantov Robotics", account_id=acc("cus_1"))
    await bench.run(log, size=size)
    assert await linked(bench, kit, "cus_1") == ["900"]
    assert await linked(bench, kit, "cus_2") == ["900"]
    assert await wanted(bench, "cus_1") is None
    accounts = await bench.pool.fetchval(
        "select count(*) from matcher.accounts where merged_into is null"
    )
    assert accounts == 1
    method = await bench.pool.fetchval(
        "select method from matcher.link_history where key like '%/900' and closed_version is null"
    )
    assert method == "created"
    before = await digest(bench.pool)
    await bench.rewind()
    await bench.run(log, size=size)
    assert await digest(bench.pool) == before


async def test_a_record_without_domain_and_name_of_its_own_is_linked(bench: Any, kit: Any) -> None:
    """Nothing but the account's id tells: a person renamed it."""
    log = kit.log()
    log.ready(unmatched="create")
    log.customer("cus_1", "runa.holm@gmail.com", name="Runa Holm")
    log.company("900", name="Something else", account_id=acc("cus_1"))
    await bench.run(log)
    assert await linked(bench, kit, "cus_1") == ["900"]


async def test_a_record_made_too_late_is_left_alone(bench: Any, kit: Any) -> None:
    """The account found another one meanwhile; a person ruled it out; nobody has that account."""
    log = kit.log()
    log.ready(unmatched="create")
    log.company("77", "brantov.example", name="Brantov Robotics")
    log.customer("cus_1", "ann@brantov.example", name="Brantov Robotics")
    log.company("900", name="Brantov Robotics", account_id=acc("cus_1"))
    log.customer("cus_2", "ann@quilmark.example", name="Quilmark Foods")
    log.person("cannot_link", "cus_2", "901")
    log.company("901", name="Quilmark", account_id=acc("cus_2"))
    log.company("902", name="Nobody's", account_id=acc("cus_3"))
    await bench.run(log)
    assert await linked(bench, kit, "cus_1") == ["77"]
    assert await linked(bench, kit, "cus_2") == []


async def test_a_deleted_record_is_not_made_anew_by_itself(bench: Any, kit: Any) -> None:
    log = kit.log()
    log.ready(unmatched="create")
    log.customer("cus_1", "ann@brantov.example", name="Brantov Robotics")
    log.company("900", "brantov.example", name="Brantov Robotics", account_id=acc("cus_1"))
    log.company("900", deleted=True)
    log.customer("cus_1", "ann@brantov.example", name="Brantov Robotics GmbH")
    await bench.run(log)
    assert await wanted(bench, "cus_1") is None
    assert await items(bench) == [("review_match", "cus_1")]
    log.person("create", "cus_1")
    await bench.run(log)
    wish = await wanted(bench, "cus_1")
    assert wish is not None
    assert wish["by"] == "person"
    assert await items(bench) == []


@pytest.mark.parametrize("policy", ["leave", "review", "create"])
async def test_a_person_has_a_record_made(bench: Any, kit: Any, policy: str) -> None:
    log = kit.log()
    log.ready(unmatched=policy)
    log.company("77", "brantov.example", name="Brantov Robotics")
    log.company("78", "quilmark.example", name="Quilmark Foods")
    log.customer("cus_1", "ap@brantov.example", name="Quilmark Foods")
    log.person("create", "cus_1")
    await bench.run(log)
    wish = await wanted(bench, "cus_1")
    assert wish is not None
    assert (wish["by"], wish["name"], wish["domain"]) == ("person", "Quilmark Foods", None)
    assert await items(bench) == []
    log.person("create", "cus_1", withdrawn=True)
    await bench.run(log)
    assert await wanted(bench, "cus_1") is None
    assert await items(bench) == ([] if policy == "leave" else [("review_match", "cus_1")])


@pytest.mark.parametrize("size", [1, 500])
async def test_create_on_a_linked_customer_takes_it_off_that_record(
    bench: Any, kit: Any, size: int
) -> None:
    """The record it has is not its own; the one that is made for it stays, however often said."""
    log = kit.log()
    log.ready()
    log.company("77", "brantov.example", name="Brantov Robotics")
    log.customer("cus_1", "ann@brantov.example", name="Brantov Robotics")
    log.customer("cus_2", "bob@brantov.example", name="Brantov Robotics")
    log.person("create", "cus_2")
    await bench.run(log, size=size)
    assert await linked(bench, kit, "cus_1") == ["77"]
    assert await linked(bench, kit, "cus_2") == []
    wish = await wanted(bench, "cus_2")
    assert wish is not None
    log.company("900", name="Brantov Robotics", account_id=acc("cus_2"))
    log.person("create", "cus_2")
    await bench.run(log, size=size)
    assert await linked(bench, kit, "cus_2") == ["900"]
    log.person("create", "cus_1")
    await bench.run(log, size=size)
    assert await linked(bench, kit, "cus_1") == []
    log.person("create", "cus_1", withdrawn=True)
    await bench.run(log, size=size)
    assert await linked(bench, kit, "cus_1") == ["77"]


async def test_an_agencys_domain_goes_to_nobodys_record(bench: Any, kit: Any) -> None:
    log = kit.log()
    log.ready(unmatched="create")
    names = ("Brantov Robotics", "Quilmark Foods", "Wexholm Logistics", "Ostfold Marine")
    for place, name in enumerate(names):
        log.customer(f"cus_{place}", f"m{place}@agency.example", name=name)
    await bench.run(log)
    for place, name in enumerate(names):
        wish = await wanted(bench, f"cus_{place}")
        assert wish is not None
        assert (wish["name"], wish["domain"]) == (name, None)


async def test_test_mode_beside_live_wants_nothing(bench: Any, kit: Any) -> None:
    log = kit.log()
    names = [
        {"name": "stripe", "kind": "stripe", "mode": "test"},
        {"name": "live", "kind": "stripe", "mode": "live"},
        {"name": "hubspot", "kind": "hubspot"},
    ]
    log.config(unmatched="create", connections=names)
    log.walked("stripe", "live", "hubspot")
    log.customer("cus_1", "ann@brantov.example", name="Brantov Robotics")
    await bench.run(log)
    assert await wanted(bench, "cus_1") is None
