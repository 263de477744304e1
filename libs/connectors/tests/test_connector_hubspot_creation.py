"""Records made at the simulated HubSpot: once, whatever is repeated."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest
from plumbline_connectors.http import Answer
from plumbline_connectors.hubspot.client import BatchRefused, HubSpotClient, open_hubspot
from plumbline_connectors.hubspot.creation import HubSpotCreation, Sought, searches
from plumbline_connectors.hubspot.faults import judge_hubspot
from plumbline_connectors.hubspot.layouts import Layout
from plumbline_connectors.hubspot.properties import ACCOUNT_ID, PropertySpec
from plumbline_connectors.hubspot.translate import (
    HubSpotContext,
    properties_to_read,
    translate_record,
)
from plumbline_schemas.crm import CrmRecord
from plumbline_schemas.errors import MissingScopes, Unauthorized
from plumbline_simulators.hubspot.simulator import HubSpotSimulator, hubspot_simulator

CONTEXT = HubSpotContext("acme", "hubspot", {})
ACCOUNTS = ("acc_01A", "acc_01B")


class Stage(NamedTuple):
    simulator: HubSpotSimulator
    client: HubSpotClient
    creation: HubSpotCreation


@pytest.fixture(params=["v3", "2026-03"])
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    layout: Layout = request.param
    async with hubspot_simulator() as simulator:
        client = open_hubspot(
            api_base=simulator.base_url,
            layout=layout,
            where="acme/hubspot",
            access_token="pat-na1-simulated",
        )
        assert await client.ensure_properties("company", [ACCOUNT_ID]) == []
        yield Stage(simulator, client, HubSpotCreation(client))
        await client.aclose()


async def test_records_are_made_once_and_bear_the_account(stage: Stage) -> None:
    rows = {one: {"name": f"Company {one}"} for one in ACCOUNTS}
    assert await stage.creation.held("company", ACCOUNTS) == {}
    made = await stage.creation.create("company", rows)
    assert [outcome.status for outcome in made.values()] == ["ok", "ok"]
    again = await stage.creation.create("company", rows)
    ids = {one: str((made[one].record or {})["id"]) for one in ACCOUNTS}
    assert ids == {one: str((again[one].record or {})["id"]) for one in ACCOUNTS}
    assert await stage.creation.held("company", (*ACCOUNTS, "acc_01C")) == ids
    assert len(list(stage.simulator.state.of("companies").all(archived=False, after=0))) == 2
    names = properties_to_read("company", CONTEXT)
    read = await stage.client.read("company", ids["acc_01A"], names)
    assert read.obj is not None
    seen = translate_record(
        "company",
        read.obj,
        CONTEXT,
        seen="read",
        origin="webhook",
        received_at=datetime.now(UTC),
    )
    assert isinstance(seen.body, CrmRecord)
    assert seen.body.account_id == "acc_01A"


async def test_a_search_finds_by_domain_or_billing_id(stage: Stage) -> None:
    await stage.client.ensure_properties("company", [PropertySpec("billing_id", "string", "Id")])
    await stage.creation.create(
        "company",
        {
            "acc_01A": {"name": "A", "domain": "a.example"},
            "acc_01B": {"name": "B", "billing_id": "cus_B"},
            "acc_01C": {"name": "C", "domain": "c.example"},
        },
    )
    sought = [Sought("domain", ("a.example", "x.example")), Sought("billing_id", ("cus_B",))]
    found = [properties for _, properties in await stage.creation.search("company", sought)]
    assert sorted((one["domain"] or "", one["billing_id"] or "") for one in found) == [
        ("", "cus_B"),
        ("a.example", ""),
    ]
    assert await stage.creation.search("company", [Sought("domain", ())]) == []


async def test_a_search_finds_a_domain_among_further_ones(stage: Stage) -> None:
    await stage.creation.create(
        "company",
        {
            "acc_01A": {"name": "A", "domain": "a.example", "hs_additional_domains": "x.example"},
            "acc_01B": {"name": "B", "hs_additional_domains": "y.example;X.example;z.example"},
            "acc_01C": {"name": "C", "hs_additional_domains": "xx.example;y.example"},
        },
    )
    sought = [Sought("hs_additional_domains", ("x.example",), listed=True)]
    found = await stage.creation.search("company", sought)
    assert sorted(properties["hs_additional_domains"] or "" for _, properties in found) == [
        "x.example",
        "y.example;X.example;z.example",
    ]


def test_a_search_has_five_groups_and_lists_stand_apart() -> None:
    domains = tuple(f"d{number}.example" for number in range(7))
    sought = [
        Sought("domain", domains),
        Sought("more", (*domains, "D0.example"), listed=True),
        Sought("none", ()),
    ]
    first, *words = searches(sought)
    assert first == [Sought("domain", domains)]
    assert [len(part) for part in words] == [5, 2]
    assert {one.values for part in words for one in part} == {(domain,) for domain in domains}


@pytest.mark.parametrize("scope", ["crm.objects.companies.write", "crm.objects.companies.read"])
async def test_a_scope_that_is_missing_is_named(stage: Stage, scope: str) -> None:
    stage.simulator.state.tokens.scopes_missing = {scope}
    reads = scope.endswith("read")
    calls: Any = stage.creation.held if reads else stage.creation.create
    with pytest.raises(MissingScopes) as refused:
        await calls("company", ACCOUNTS if reads else {"acc_01A": {"name": "A"}})
    assert refused.value.scopes == (scope,)
    assert str(refused.value).endswith(f"; it takes the scope {scope}")


@pytest.mark.parametrize(
    ("body", "scopes"),
    [
        ({"category": "MISSING_SCOPES"}, ("crm.objects.contacts.write",)),
        ({"context": {"missingScopes": ["one", 2]}}, ("one",)),
        ({"errors": [{"context": {"requiredScopes": ["a", "b"]}}, "?"]}, ("a", "b")),
        ({"category": "BANNED", "errors": {"context": 1}}, None),
        ([], None),
    ],
)
def test_a_403_is_of_a_scope_or_of_the_connection(body: Any, scopes: Any) -> None:
    where = "acme/hubspot POST /crm/objects/2026-03/contacts/batch/update"
    now = datetime.now(UTC)
    error = judge_hubspot(Answer(403, {}, json.dumps(body).encode(), now, now, 0.1, where))
    assert isinstance(error, Unauthorized)
    assert getattr(error, "scopes", None) == scopes


async def test_one_that_is_refused_names_itself(stage: Stage) -> None:
    rows = {"acc_01A": {"name": "A", "nonsense": "1"}, "acc_01B": {"name": "B"}}
    try:
        outcomes = await stage.creation.create("company", rows)
    except BatchRefused:
        outcomes = await stage.creation.create("company", {"acc_01B": rows["acc_01B"]})
    assert outcomes["acc_01B"].status == "ok"
    assert list(await stage.creation.held("company", ACCOUNTS)) == ["acc_01B"]


async def test_a_property_that_takes_values_twice_does_not_do(stage: Stage) -> None:
    plain = PropertySpec("plain_id", "string", "Plain")
    assert await stage.client.ensure_properties("company", [plain]) == []
    unique = plain._replace(unique=True)
    [problem] = await stage.client.ensure_properties("company", [unique])
    assert problem.reason == "not_unique"
