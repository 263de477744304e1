"""HubSpot's own Python package, unmodified: contacts, batches, definitions, limits, errors."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from hubspot import HubSpot
from hubspot.crm.associations import BatchInputPublicObjectId
from hubspot.crm.companies import ApiException as CompanyException
from hubspot.crm.companies import PublicObjectSearchRequest, SimplePublicObjectInputForCreate
from hubspot.crm.companies.exceptions import ServiceException, UnauthorizedException
from hubspot.crm.contacts import (
    ApiException,
    BatchInputSimplePublicObjectBatchInputForCreate,
    BatchInputSimplePublicObjectBatchInputUpsert,
    BatchInputSimplePublicObjectId,
    SimplePublicObjectInput,
)
from hubspot.crm.properties import ApiException as PropertyException
from hubspot.crm.properties import (
    BatchInputPropertyCreate,
    BatchReadInputPropertyName,
    PropertyCreate,
    PropertyGroupCreate,
    PropertyGroupUpdate,
    PropertyUpdate,
)
from plumbline_simulators.hubspot.simulator import HubSpotSimulator, hubspot_simulator
from urllib3.util.retry import Retry

TOKEN = "pat-na1-simulated"


@pytest.fixture
async def sim() -> AsyncIterator[HubSpotSimulator]:
    async with hubspot_simulator() as running:
        yield running


@pytest.fixture
def hub(sim: HubSpotSimulator) -> HubSpot:
    retry = Retry(0, respect_retry_after_header=False)
    client = HubSpot(access_token=TOKEN, retry=retry)
    client.config["host"] = sim.base_url
    return client


async def sdk(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return await asyncio.to_thread(call, *args, **kwargs)


async def company(hub: HubSpot, **properties: str) -> Any:
    body = SimplePublicObjectInputForCreate(properties=properties, associations=[])
    api = hub.crm.companies.basic_api
    return await sdk(api.create, simple_public_object_input_for_create=body)


def people(*emails: str, traced: bool = False) -> BatchInputSimplePublicObjectBatchInputForCreate:
    rows: list[dict[str, Any]] = [
        {"properties": {"email": email}, "associations": []}
        | ({"objectWriteTraceId": f"t{place}"} if traced else {})
        for place, email in enumerate(emails)
    ]
    return BatchInputSimplePublicObjectBatchInputForCreate(inputs=rows)


async def create_people(hub: HubSpot, body: Any) -> Any:
    api = hub.crm.contacts.batch_api
    return await sdk(api.create, batch_input_simple_public_object_batch_input_for_create=body)


async def test_a_conflict_refuses_a_whole_batch_of_contacts(
    hub: HubSpot, sim: HubSpotSimulator
) -> None:
    made = await create_people(hub, people("ada@acme.example"))
    with pytest.raises(ApiException) as refused:
        await create_people(hub, people("new@acme.example", "ADA@acme.example"))
    assert refused.value.status == 409
    assert made.results[0].id in refused.value.body
    assert len(sim.state.records["contacts"]) == 1
    with pytest.raises(ApiException) as twins:
        await create_people(hub, people("new@acme.example", "new@acme.example"))
    assert twins.value.status == 409
    assert len(sim.state.records["contacts"]) == 1


async def test_trace_ids_let_the_good_rows_of_a_batch_through(hub: HubSpot) -> None:
    await create_people(hub, people("ada@acme.example"))
    body = people("eve@acme.example", "ada@acme.example", traced=True)
    got = await create_people(hub, body)
    assert [row.properties["email"] for row in got.results] == ["eve@acme.example"]
    assert got.results[0].object_write_trace_id == "t0"
    assert got.errors[0].category == "CONFLICT"
    assert got.errors[0].context["objectWriteTraceId"] == ["t1"]


async def test_contacts_are_updated_by_email_and_archived(hub: HubSpot) -> None:
    (made,) = (await create_people(hub, people("ada@acme.example"))).results
    api = hub.crm.contacts.basic_api
    change = SimplePublicObjectInput(properties={"firstname": "Ada", "lastname": ""})
    changed = await sdk(
        api.update, "ADA@acme.example", simple_public_object_input=change, id_property="email"
    )
    assert (changed.id, changed.properties["firstname"]) == (made.id, "Ada")
    gone = BatchInputSimplePublicObjectId(inputs=[{"id": made.id}, {"id": "404"}])
    batch = hub.crm.contacts.batch_api
    await sdk(batch.archive, batch_input_simple_public_object_id=gone)
    await sdk(batch.archive, batch_input_simple_public_object_id=gone)
    archived = await sdk(api.get_page, archived=True)
    assert [row.id for row in archived.results] == [made.id]
    assert (await sdk(api.get_page)).results == []


async def test_upsert_needs_a_unique_property(hub: HubSpot) -> None:
    def rows(id_property: str | None) -> Any:
        row = {"id": "eve@acme.example", "properties": {"firstname": "Eve"}}
        row |= {"idProperty": id_property} if id_property else {}
        return BatchInputSimplePublicObjectBatchInputUpsert(inputs=[row])

    upsert = hub.crm.contacts.batch_api.upsert
    name = "batch_input_simple_public_object_batch_input_upsert"
    first = await sdk(upsert, **{name: rows("email")})
    again = await sdk(upsert, **{name: rows("email")})
    assert [first.results[0].new, again.results[0].new] == [True, False]
    assert first.results[0].id == again.results[0].id
    with pytest.raises(ApiException) as refused:
        await sdk(upsert, **{name: rows("firstname")})
    assert refused.value.status == 400
    nobody = await sdk(upsert, **{name: rows(None)})
    assert nobody.errors[0].category == "OBJECT_NOT_FOUND"


async def test_history_tells_who_wrote_what(hub: HubSpot, sim: HubSpotSimulator) -> None:
    made = await company(hub, name="Acme")
    records = sim.state.of("companies")
    from plumbline_simulators.hubspot.control_api import PERSON

    records.update(records.get(made.id), {"name": "Acme Ltd"}, PERSON)
    api = hub.crm.companies.basic_api
    read = await sdk(api.get_by_id, made.id, properties_with_history=["name"])
    newest, oldest = read.properties_with_history["name"]
    assert (newest.value, newest.source_type, newest.updated_by_user_id) == (
        "Acme Ltd",
        "CRM_UI",
        5,
    )
    assert (oldest.value, oldest.source_type, oldest.source_id) == ("Acme", "INTEGRATION", "77")


async def test_only_what_is_asked_for_is_answered(hub: HubSpot) -> None:
    made = await company(hub, name="Acme", domain="acme.example", phone="1")
    api = hub.crm.companies.basic_api
    always = {"createdate", "hs_lastmodifieddate", "hs_object_id"}
    default = await sdk(api.get_by_id, made.id)
    assert set(default.properties) == {"name", "domain", *always}
    asked = await sdk(api.get_by_id, made.id, properties=["phone", "no_such_property"])
    assert set(asked.properties) == {"phone", *always}


SPEC = {"label": "Plan", "type": "string", "field_type": "text", "group_name": "plumbline"}


async def with_group(hub: HubSpot) -> None:
    group = PropertyGroupCreate(name="plumbline", label="Billing")
    await sdk(hub.crm.properties.groups_api.create, "companies", property_group_create=group)


async def test_definitions_change_without_losing_what_they_are(hub: HubSpot) -> None:
    await with_group(hub)
    core = hub.crm.properties.core_api
    unique = PropertyCreate(name="billing_id", has_unique_value=True, **SPEC)
    await sdk(core.create, "companies", property_create=unique)
    renamed = await sdk(
        core.update, "companies", "billing_id", property_update=PropertyUpdate(label="Id")
    )
    assert (renamed.label, renamed.has_unique_value) == ("Id", True)
    with pytest.raises(PropertyException) as fixed:
        await sdk(
            core.update, "companies", "hs_object_id", property_update=PropertyUpdate(label="Mine")
        )
    assert fixed.value.status == 400
    first = await company(hub, name="A", billing_id="b1")
    with pytest.raises(CompanyException) as taken:
        await company(hub, name="B", billing_id="B1")
    assert taken.value.status == 409
    await sdk(core.archive, "companies", "billing_id")
    change = SimplePublicObjectInput(properties={"phone": "1"})
    api = hub.crm.companies.basic_api
    changed = await sdk(api.update, first.id, simple_public_object_input=change)
    assert changed.properties["phone"] == "1"


async def test_batches_of_definitions_tell_each_row(hub: HubSpot) -> None:
    await with_group(hub)
    batch = hub.crm.properties.batch_api
    rows = [PropertyCreate(name=name, **SPEC) for name in ("plan", "name", "state_of_it")]
    made = await sdk(
        batch.create, "companies", batch_input_property_create=BatchInputPropertyCreate(inputs=rows)
    )
    assert [one.name for one in made.results] == ["plan", "state_of_it"]
    assert made.errors[0].category == "OBJECT_ALREADY_EXISTS"
    asked = BatchReadInputPropertyName(
        inputs=[{"name": "plan"}, {"name": "no_such"}], archived=False
    )
    read = await sdk(batch.read, "companies", batch_read_input_property_name=asked)
    assert [one.name for one in read.results] == ["plan"]


async def test_groups_are_listed_changed_and_kept_while_in_use(hub: HubSpot) -> None:
    await with_group(hub)
    groups, core = hub.crm.properties.groups_api, hub.crm.properties.core_api
    await sdk(core.create, "companies", property_create=PropertyCreate(name="plan", **SPEC))
    update = PropertyGroupUpdate(label="Plumbline")
    await sdk(groups.update, "companies", "plumbline", property_group_update=update)
    listed = {one.name: one.label for one in (await sdk(groups.get_all, "companies")).results}
    assert listed["plumbline"] == "Plumbline"
    with pytest.raises(PropertyException) as used:
        await sdk(groups.archive, "companies", "plumbline")
    assert used.value.status == 400
    await sdk(core.archive, "companies", "plan")
    await sdk(groups.archive, "companies", "plumbline")
    with pytest.raises(PropertyException) as gone:
        await sdk(groups.get_by_name, "companies", "plumbline")
    assert gone.value.status == 404


async def test_retry_after_is_seen_and_not_waited_for(hub: HubSpot, sim: HubSpotSimulator) -> None:
    sim.state.limits.per_10_seconds = 0
    sim.state.limits.retry_after = 30
    with pytest.raises(CompanyException) as refused:
        await sdk(hub.crm.companies.basic_api.get_page)
    body = json.loads(refused.value.body)
    assert refused.value.headers["Retry-After"] == "30"
    assert (body["errorType"], body["policyName"]) == ("RATE_LIMIT", "TEN_SECONDLY_ROLLING")
    assert body["message"] == "You have reached your ten_secondly_rolling limit."
    assert len(sim.state.calls.calls(path="companies")) == 1


async def test_search_has_a_limit_of_its_own_without_rate_headers(
    hub: HubSpot, sim: HubSpotSimulator
) -> None:
    sim.state.limits.search_per_second = 1
    request = PublicObjectSearchRequest(
        filter_groups=[], sorts=[], properties=[], limit=1, after="0"
    )
    search = hub.crm.companies.search_api.do_search
    await sdk(search, public_object_search_request=request)
    with pytest.raises(CompanyException) as refused:
        await sdk(search, public_object_search_request=request)
    assert json.loads(refused.value.body)["message"] == "You have reached your secondly limit."
    assert "X-HubSpot-RateLimit-Remaining" not in refused.value.headers
    assert (await sdk(hub.crm.companies.basic_api.get_page)).results == []


async def test_statuses_map_to_the_classes_of_the_package(
    hub: HubSpot, sim: HubSpotSimulator
) -> None:
    page = hub.crm.companies.basic_api.get_page
    for status in (502, 423, 477):
        sim.state.faults.add_json({"id": "x", "action": {"kind": "status", "status": status}})
        expected = ServiceException if status == 502 else CompanyException
        with pytest.raises(expected) as refused:
            await sdk(page)
        assert refused.value.status == status
        sim.state.faults.remove("x")
    sim.state.tokens.revoke(TOKEN)
    with pytest.raises(UnauthorizedException):
        await sdk(page)


async def test_associations_are_seen_from_both_sides(hub: HubSpot) -> None:
    acme = await company(hub, name="Acme")
    (ada,) = (await create_people(hub, people("ada@acme.example"))).results
    link = hub.crm.associations.v4.basic_api
    await sdk(link.create_default, "companies", acme.id, "contacts", ada.id)
    seen = await sdk(link.get_page, "contacts", ada.id, "companies")
    assert [str(one.to_object_id) for one in seen.results] == [acme.id]
    assert [one.type_id for one in seen.results[0].association_types] == [279]
    asked = BatchInputPublicObjectId(inputs=[{"id": acme.id}, {"id": "404"}])
    old = await sdk(
        hub.crm.associations.batch_api.read,
        "companies",
        "contacts",
        batch_input_public_object_id=asked,
    )
    assert old.results[0].to[0].id == ada.id
    assert old.num_errors == 1
    read = await sdk(hub.crm.companies.basic_api.get_by_id, acme.id, associations=["contacts"])
    assert read.associations["contacts"].results[0].type == "company_to_contact"
    other = await company(hub, name="Other")
    merge = {"primaryObjectId": other.id, "objectIdToMerge": acme.id}
    merged = await sdk(hub.crm.companies.basic_api.merge, merge)
    moved = await sdk(link.get_page, "contacts", ada.id, "companies")
    assert [str(one.to_object_id) for one in moved.results] == [merged.id]
    await sdk(link.archive, "companies", merged.id, "contacts", ada.id)
    assert (await sdk(link.get_page, "companies", merged.id, "contacts")).results == []


@pytest.mark.parametrize("layout", ["v3", "2026-03"])
async def test_the_account_tells_its_portal(hub: HubSpot, layout: str) -> None:
    """The package has no call of its own for it: its client carries ours to the configured host."""
    client = hub.crm.companies.basic_api.api_client
    assert client.configuration.host == hub.config["host"]
    answer = await sdk(
        client.call_api,
        f"/account-info/{layout}/details",
        "GET",
        header_params={"accept": "application/json"},
        auth_settings=["oauth2"],
        response_types_map={200: "object"},
        _return_http_data_only=True,
    )
    assert answer["portalId"] == 4242
