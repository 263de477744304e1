"""HubSpot's own Python package, unmodified, against the simulator."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from hubspot import HubSpot
from hubspot.crm.companies import (
    ApiException,
    BatchInputSimplePublicObjectBatchInput,
    BatchReadInputSimplePublicObjectId,
    PublicObjectSearchRequest,
    SimplePublicObjectInput,
    SimplePublicObjectInputForCreate,
)
from hubspot.crm.companies.exceptions import ForbiddenException, NotFoundException
from hubspot.crm.contacts import ApiException as ContactException
from hubspot.crm.contacts import SimplePublicObjectInputForCreate as ContactInput
from hubspot.crm.properties import ApiException as PropertyException
from hubspot.crm.properties import PropertyCreate, PropertyGroupCreate
from plumbline_simulators.hubspot.simulator import HubSpotSimulator, hubspot_simulator
from urllib3.util.retry import Retry


@pytest.fixture
async def sim() -> AsyncIterator[HubSpotSimulator]:
    async with hubspot_simulator() as running:
        yield running


@pytest.fixture
def hub(sim: HubSpotSimulator) -> HubSpot:
    client = HubSpot(
        access_token="pat-na1-simulated", retry=Retry(0, respect_retry_after_header=False)
    )
    client.config["host"] = sim.base_url
    return client


async def sdk(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return await asyncio.to_thread(call, *args, **kwargs)


async def make(hub: HubSpot, **properties: str) -> Any:
    api = hub.crm.companies.basic_api
    body = SimplePublicObjectInputForCreate(properties=properties, associations=[])
    return await sdk(api.create, simple_public_object_input_for_create=body)


async def test_a_company_is_created_read_changed_and_archived(hub: HubSpot) -> None:
    made = await make(hub, name="Acme", domain="acme.example")
    api = hub.crm.companies.basic_api
    read = await sdk(api.get_by_id, made.id, properties=["name", "phone", "no_such_property"])
    assert read.properties["name"] == "Acme"
    assert read.properties["phone"] is None
    assert "no_such_property" not in {k for k, v in read.properties.items() if v is not None}
    change = SimplePublicObjectInput(properties={"phone": "555"})
    changed = await sdk(api.update, made.id, simple_public_object_input=change)
    assert changed.properties["phone"] == "555"
    assert changed.updated_at >= read.updated_at
    await sdk(api.archive, made.id)
    with pytest.raises(NotFoundException):
        await sdk(api.get_by_id, made.id)
    gone = await sdk(api.get_by_id, made.id, archived=True)
    assert gone.archived is True


async def test_the_package_pages_through_every_company(hub: HubSpot, sim: HubSpotSimulator) -> None:
    seed = {"companies": [{"properties": {"name": f"C{n}"}} for n in range(250)]}
    async with httpx.AsyncClient() as http:
        await http.post(f"{sim.control_url}/control/seed", json=seed)
    every = await sdk(hub.crm.companies.get_all, properties=["name"])
    assert sorted(c.properties["name"] for c in every) == sorted(f"C{n}" for n in range(250))


async def test_batch_read_says_which_are_missing(hub: HubSpot) -> None:
    one = await make(hub, name="One")
    body = BatchReadInputSimplePublicObjectId(
        inputs=[{"id": one.id}, {"id": "999"}], properties=["name"], properties_with_history=[]
    )
    got = await sdk(hub.crm.companies.batch_api.read, batch_read_input_simple_public_object_id=body)
    assert [row.id for row in got.results] == [one.id]
    assert got.num_errors == 1
    assert got.errors[0].context["ids"] == ["999"]


async def test_batch_update_reports_each_row(hub: HubSpot) -> None:
    one = await make(hub, name="One")
    rows = [
        {"id": one.id, "properties": {"phone": "1"}, "objectWriteTraceId": "a"},
        {"id": "999", "properties": {"phone": "2"}, "objectWriteTraceId": "b"},
    ]
    got = await sdk(
        hub.crm.companies.batch_api.update,
        batch_input_simple_public_object_batch_input=BatchInputSimplePublicObjectBatchInput(
            inputs=rows
        ),
    )
    assert [row.properties["phone"] for row in got.results] == ["1"]
    assert got.errors[0].category == "OBJECT_NOT_FOUND"
    assert got.errors[0].context["objectWriteTraceId"] == ["b"]


async def test_one_bad_row_without_trace_ids_refuses_the_batch(hub: HubSpot) -> None:
    one, two = await make(hub, name="One"), await make(hub, name="Two")
    rows = [
        {"id": two.id, "properties": {"phone": "1"}},
        {"id": one.id, "properties": {"no_such": "1"}},
    ]
    with pytest.raises(ApiException) as refused:
        await sdk(
            hub.crm.companies.batch_api.update,
            batch_input_simple_public_object_batch_input=BatchInputSimplePublicObjectBatchInput(
                inputs=rows
            ),
        )
    assert refused.value.status == 400
    assert "PROPERTY_DOESNT_EXIST" in refused.value.body
    untouched = await sdk(hub.crm.companies.basic_api.get_by_id, two.id, properties=["phone"])
    assert untouched.properties["phone"] is None


async def test_a_batch_of_more_than_100_is_refused(hub: HubSpot) -> None:
    rows = [{"id": str(n), "properties": {}} for n in range(101)]
    with pytest.raises(ApiException) as refused:
        await sdk(
            hub.crm.companies.batch_api.update,
            batch_input_simple_public_object_batch_input=BatchInputSimplePublicObjectBatchInput(
                inputs=rows
            ),
        )
    assert refused.value.status == 400


async def test_a_known_email_conflicts_with_the_existing_id(hub: HubSpot) -> None:
    api = hub.crm.contacts.basic_api
    body = ContactInput(properties={"email": "ada@acme.example"}, associations=[])
    made = await sdk(api.create, simple_public_object_input_for_create=body)
    with pytest.raises(ContactException) as refused:
        await sdk(api.create, simple_public_object_input_for_create=body)
    assert refused.value.status == 409
    assert made.id in refused.value.body


async def test_two_companies_may_share_a_domain(hub: HubSpot) -> None:
    first = await make(hub, name="A", domain="same.example")
    second = await make(hub, name="B", domain="same.example")
    assert first.id != second.id


async def test_properties_need_their_group_and_check_values(hub: HubSpot) -> None:
    core = hub.crm.properties.core_api
    spec = PropertyCreate(
        name="plumbline_state", label="State", type="enumeration", field_type="select",
        group_name="plumbline", options=[{"label": "Active", "value": "active", "hidden": False}],
    )  # fmt: skip
    with pytest.raises(PropertyException) as refused:
        await sdk(core.create, "companies", property_create=spec)
    assert refused.value.status == 400
    group = PropertyGroupCreate(name="plumbline", label="Billing")
    await sdk(hub.crm.properties.groups_api.create, "companies", property_group_create=group)
    made = await sdk(core.create, "companies", property_create=spec)
    assert made.field_type == "select"
    with pytest.raises(PropertyException) as twice:
        await sdk(core.create, "companies", property_create=spec)
    assert twice.value.status == 409
    listed = await sdk(core.get_all, "companies")
    assert {"name", "domain", "plumbline_state"} <= {one.name for one in listed.results}
    with pytest.raises(ApiException) as unfit:
        await make(hub, name="A", plumbline_state="dormant")
    assert "INVALID_OPTION" in unfit.value.body


async def test_search_filters_sorts_and_stops_at_the_wall(hub: HubSpot) -> None:
    for number in range(3):
        await make(hub, name=f"N{number}", domain=f"n{number}.example")
    search = hub.crm.companies.search_api.do_search
    values = ["n1.example", "n2.example"]
    wanted = {"propertyName": "domain", "operator": "IN", "values": values}
    request = PublicObjectSearchRequest(
        filter_groups=[{"filters": [wanted]}], properties=["name"], limit=10, after="0",
        sorts=[{"propertyName": "name", "direction": "DESCENDING"}],
    )  # fmt: skip
    found = await sdk(search, public_object_search_request=request)
    assert [row.properties["name"] for row in found.results] == ["N2", "N1"]
    wall = PublicObjectSearchRequest(
        filter_groups=[], sorts=[], properties=[], limit=100, after="9950"
    )
    with pytest.raises(ApiException) as refused:
        await sdk(search, public_object_search_request=wall)
    assert refused.value.status == 400


async def test_owners_are_paged(hub: HubSpot, sim: HubSpotSimulator) -> None:
    sim.state.owners += [
        {
            "id": str(n), "email": f"o{n}@plumbline.example", "firstName": "O", "lastName": str(n),
            "archived": False, "type": "PERSON",
            "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
        }
        for n in range(5)
    ]  # fmt: skip
    page = await sdk(hub.crm.owners.owners_api.get_page, limit=2)
    assert [owner.id for owner in page.results] == ["0", "1"]
    assert page.paging.next.after == "2"


async def test_limits_answer_as_the_vendor_does(hub: HubSpot, sim: HubSpotSimulator) -> None:
    sim.state.limits.per_10_seconds = 1
    await make(hub, name="A")
    with pytest.raises(ApiException) as refused:
        await make(hub, name="B")
    assert refused.value.status == 429
    assert "TEN_SECONDLY_ROLLING" in refused.value.body
    assert refused.value.headers["X-HubSpot-RateLimit-Remaining"] == "0"


async def test_bad_tokens_and_missing_scopes_have_their_own_classes(
    hub: HubSpot, sim: HubSpotSimulator
) -> None:
    sim.state.tokens.scopes_missing = {"companies"}
    with pytest.raises(ForbiddenException):
        await make(hub, name="A")
    sim.state.tokens.revoke("pat-na1-simulated")
    with pytest.raises(ApiException) as refused:
        await make(hub, name="A")
    assert refused.value.status == 401


async def test_a_merge_makes_a_new_record_that_old_ids_lead_to(hub: HubSpot) -> None:
    first = await make(hub, name="A", domain="a.example")
    second = await make(hub, name="B", phone="555")
    merged = await sdk(
        hub.crm.companies.basic_api.merge,
        {"primaryObjectId": first.id, "objectIdToMerge": second.id},
    )
    assert merged.id not in {first.id, second.id}
    again = await sdk(
        hub.crm.companies.basic_api.get_by_id,
        second.id,
        properties=["name", "phone", "hs_merged_object_ids"],
    )
    assert again.id == merged.id
    assert again.properties["phone"] == "555"
    assert set(again.properties["hs_merged_object_ids"].split(";")) == {first.id, second.id}


async def test_the_date_versioned_layout_shows_the_same_store(
    hub: HubSpot, sim: HubSpotSimulator
) -> None:
    made = await make(hub, name="Acme")
    headers = {"authorization": "Bearer pat-na1-simulated"}
    async with httpx.AsyncClient(base_url=sim.base_url, headers=headers) as http:
        read = await http.get(f"/crm/objects/2026-03/companies/{made.id}")
        assert read.json()["properties"]["name"] == "Acme"
        assert (await http.get("/crm/v9/objects/companies")).status_code == 404
        assert (await http.get("/crm/objects/2026-03/invoices")).status_code == 404
