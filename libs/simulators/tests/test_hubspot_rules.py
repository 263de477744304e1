"""What the simulated HubSpot holds to: values, search's index, tokens, limits, its control API."""

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from plumbline_simulators.clock import SimulatedClock
from plumbline_simulators.hubspot.errors import HubSpotError
from plumbline_simulators.hubspot.limits import Limits
from plumbline_simulators.hubspot.simulator import HubSpotSimulator, hubspot_simulator
from plumbline_simulators.hubspot.store import Source
from plumbline_simulators.hubspot.values import Property, stored

START = datetime(2026, 11, 1, tzinfo=UTC)
AUTH = {"authorization": "Bearer pat-na1-simulated"}
COMPANIES = "/crm/v3/objects/companies"


@pytest.fixture
async def sim() -> AsyncIterator[HubSpotSimulator]:
    async with hubspot_simulator(start=START, frozen=True) as running:
        yield running


@pytest.fixture(scope="module")
async def untouched() -> AsyncIterator[HubSpotSimulator]:
    """For calls that are all refused."""
    async with hubspot_simulator() as running:
        running.state.limits.search_per_second = 1000
        yield running


@pytest.fixture
async def api(sim: HubSpotSimulator) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=sim.base_url, headers=AUTH) as client:
        yield client


@pytest.fixture
async def control(sim: HubSpotSimulator) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"{sim.control_url}/control") as client:
        yield client


async def created(api: httpx.AsyncClient, **properties: Any) -> dict[str, Any]:
    answer = await api.post(COMPANIES, json={"properties": properties})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def defined(type_: str, field_type: str = "text", *options: str) -> Property:
    values = tuple({"value": one, "label": one} for one in options)
    return Property("p", "P", type_, field_type, "g", values)


@pytest.mark.parametrize(
    ("definition", "given", "kept"),
    [
        (defined("string"), "", None),
        (defined("string"), 5, "5"),
        (defined("number"), 83.33, "83.33"),
        (defined("number"), "-1.50", "-1.50"),
        (defined("bool"), True, "true"),
        (defined("datetime"), 1790000000123, "2026-09-21T14:13:20.123Z"),
        (defined("datetime"), "2026-09-21T16:13:20+02:00", "2026-09-21T14:13:20.000Z"),
        (defined("date"), "2026-09-21", "2026-09-21"),
        (defined("date"), 1789948800000, "2026-09-21"),
        (defined("enumeration", "select", "a", "b"), "b", "b"),
        (defined("enumeration", "checkbox", "a", "b"), "a;b", "a;b"),
    ],
)
def test_values_are_kept_as_strings(definition: Property, given: Any, kept: str | None) -> None:
    assert stored(definition, given) == kept


@pytest.mark.parametrize(
    ("definition", "given", "code"),
    [
        (defined("number"), "NaN", "INVALID_NUMBER"),
        (defined("number"), "1_000", "INVALID_NUMBER"),
        (defined("number"), " 1", "INVALID_NUMBER"),
        (defined("bool"), "yes", "INVALID_BOOLEAN"),
        (defined("datetime"), "soon", "INVALID_LONG"),
        (defined("datetime"), "9" * 30, "INVALID_LONG"),
        (defined("date"), 1789948800001, "INVALID_DATE"),
        (defined("enumeration", "select", "a", "b"), "a;b", "INVALID_OPTION"),
        (defined("enumeration", "checkbox", "a", "b"), "a;c", "INVALID_OPTION"),
        (defined("string"), ["a"], "INVALID_TYPE"),
    ],
)
def test_unfit_values_are_refused_by_name(definition: Property, given: Any, code: str) -> None:
    with pytest.raises(HubSpotError) as refused:
        stored(definition, given)
    (detail,) = refused.value.extra["errors"]
    assert (detail["code"], detail["context"]) == (code, {"propertyName": ["p"]})


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (COMPANIES, {"properties": [1]}),
        (COMPANIES, {"properties": {"phone": "1"}}),
        (COMPANIES, {"properties": {"name": "A", "hs_object_id": "1"}}),
        (COMPANIES + "/batch/read", {"inputs": "x"}),
        (COMPANIES + "/batch/update", {"inputs": [{"id": "1"}, {"id": "1"}]}),
        (COMPANIES + "/search", {"limit": "x"}),
        (COMPANIES + "/search", {"limit": 201}),
        (COMPANIES + "/search", {"sorts": ["name", "domain"]}),
        (COMPANIES + "/search", {"filterGroups": [{"filters": []}] * 6}),
        (
            COMPANIES + "/search",
            {"filterGroups": [{"filters": [{"propertyName": "nope", "operator": "HAS_PROPERTY"}]}]},
        ),
        (
            COMPANIES + "/search",
            {"filterGroups": [{"filters": [{"propertyName": "name", "operator": "EQ"}]}]},
        ),
        ("/crm/v3/properties/companies", {"name": "Bad Name"}),
        ("/crm/v3/properties/companies/batch/create", {"inputs": 1}),
        ("/crm/v4/associations/companies/contacts/batch/create", {"inputs": [{}] * 2001}),
    ],
)
async def test_what_makes_no_sense_is_a_400_with_the_vendors_body(
    untouched: HubSpotSimulator, path: str, body: Any
) -> None:
    async with httpx.AsyncClient(base_url=untouched.base_url, headers=AUTH) as api:
        answer = await api.post(path, json=body)
    assert answer.status_code == 400
    assert answer.json()["category"] == "VALIDATION_ERROR"
    assert answer.json()["correlationId"] == answer.headers["x-hubspot-correlation-id"]


async def test_values_that_look_like_numbers_and_times_sort_as_text(api: httpx.AsyncClient) -> None:
    for name in ("nan", "A" * 23 + "Z", "Infinity", "10", "9"):
        await created(api, name=name)
    body = {"sorts": [{"propertyName": "name", "direction": "ASCENDING"}], "properties": ["name"]}
    found = (await api.post(COMPANIES + "/search", json=body)).json()
    names = [row["properties"]["name"] for row in found["results"]]
    assert names == ["10", "9", "A" * 23 + "Z", "Infinity", "nan"]


@pytest.mark.parametrize(
    ("token", "names"),
    [
        ("acme.example", {"A", "B"}),
        ("ACME.example", {"A", "B"}),
        ("me.example", set()),
        ("acme.exam", set()),
        ("acme*", {"A", "B", "C"}),
        ("*acmelabs.example", {"C"}),
    ],
)
async def test_a_token_is_whole_words(api: httpx.AsyncClient, token: str, names: set[str]) -> None:
    await created(api, name="A", hs_additional_domains="other.example;acme.example")
    await created(api, name="B", hs_additional_domains="shop.acme.example")
    await created(api, name="C", hs_additional_domains="acmelabs.example")
    one = {"propertyName": "hs_additional_domains", "operator": "CONTAINS_TOKEN", "value": token}
    body = {"filterGroups": [{"filters": [one]}], "properties": ["name"]}
    found = (await api.post(COMPANIES + "/search", json=body)).json()["results"]
    assert {row["properties"]["name"] for row in found} == names


async def test_search_shows_what_was_until_the_index_has_caught_up(
    sim: HubSpotSimulator, api: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    old = await created(api, name="Old")
    await control.post("/behaviour", json={"search_lag_seconds": 5})
    sim.state.clock.advance(1)
    await api.patch(f"{COMPANIES}/{old['id']}", json={"properties": {"name": "New"}})
    await created(api, name="Young")

    async def names() -> list[str]:
        found = await api.post(COMPANIES + "/search", json={"properties": ["name"]})
        return [row["properties"]["name"] for row in found.json()["results"]]

    assert await names() == ["Old"]
    sim.state.clock.advance(5)
    assert await names() == ["New", "Young"]


async def test_a_watermark_in_milliseconds_finds_what_changed_since(
    sim: HubSpotSimulator, api: httpx.AsyncClient
) -> None:
    await created(api, name="Before")
    sim.state.clock.advance(10)
    since = str(sim.state.clock.epoch_ms())
    await created(api, name="After", numberofemployees=12)
    filters = [
        {"propertyName": "hs_lastmodifieddate", "operator": "GTE", "value": since},
        {"propertyName": "numberofemployees", "operator": "BETWEEN", "value": "9", "highValue": 20},
    ]
    found = await api.post(
        COMPANIES + "/search", json={"filterGroups": [{"filters": filters}], "properties": ["name"]}
    )
    assert [row["properties"]["name"] for row in found.json()["results"]] == ["After"]


async def test_a_deleted_record_comes_back_unless_its_email_was_taken(
    sim: HubSpotSimulator, api: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    path, body = "/crm/v3/objects/contacts", {"properties": {"email": "ada@acme.example"}}
    first = (await api.post(path, json=body)).json()
    assert (await control.delete(f"/contacts/{first['id']}")).status_code == 200
    assert (await api.delete(f"{path}/{first['id']}")).status_code == 204
    second = (await api.post(path, json=body)).json()
    refused = await control.post(f"/contacts/{first['id']}/restore")
    assert refused.status_code == 400
    assert second["id"] in refused.json()["error"]
    gone = {"objectId": "ada@acme.example", "idProperty": "email"}
    assert (await api.post(f"{path}/gdpr-delete", json=gone)).status_code == 204
    assert (await control.post(f"/contacts/{first['id']}/restore")).status_code == 200
    assert (await api.get(f"{path}/{first['id']}")).status_code == 200


async def test_merged_ids_lead_on_through_a_second_merge(api: httpx.AsyncClient) -> None:
    ids = [(await created(api, name=name))["id"] for name in "ABC"]

    async def merge(primary: str, other: str) -> httpx.Response:
        return await api.post(
            COMPANIES + "/merge", json={"primaryObjectId": primary, "objectIdToMerge": other}
        )

    first = (await merge(ids[0], ids[1])).json()["id"]
    assert (await merge(ids[0], ids[1])).status_code == 400
    last = (await merge(ids[2], ids[0])).json()["id"]
    for old in (*ids, first):
        read = await api.get(f"{COMPANIES}/{old}?properties=hs_merged_object_ids")
        assert read.json()["id"] == last
    assert read.json()["properties"]["hs_merged_object_ids"].split(";") == [
        *ids[:2],
        ids[2],
        first,
    ]


async def test_an_oauth_app_lives_by_its_refresh_token(
    sim: HubSpotSimulator, api: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    await control.post("/tokens", json={"add_refresh": ["refresh-1"]})
    form = {
        "grant_type": "refresh_token", "client_id": "app", "refresh_token": "refresh-1",
        "client_secret": "simulated-client-secret",
    }  # fmt: skip
    granted = (await api.post("/oauth/2026-03/token", data=form)).json()
    assert granted["expires_in"] == 1800
    bearer = {"authorization": f"Bearer {granted['access_token']}"}
    page = await api.get(COMPANIES, headers=bearer)
    assert page.status_code == 200
    assert "x-hubspot-ratelimit-daily" not in page.headers
    seen = await api.post("/oauth/v3/token/introspect", data={"token": granted["access_token"]})
    assert (seen.json()["active"], seen.json()["hub_id"]) == (True, 4242)
    await control.post("/tokens", json={"expire": True})
    expired = await api.get(COMPANIES, headers=bearer)
    assert (expired.status_code, expired.json()["category"]) == (401, "EXPIRED_AUTHENTICATION")
    await api.post("/oauth/v3/token/revoke", data={"token": "refresh-1"})
    refused = await api.post("/oauth/v1/token", data=form)
    assert (refused.status_code, refused.json()["status"]) == (400, "BAD_REFRESH_TOKEN")
    wrong = await api.post("/oauth/v3/token", data=form | {"client_secret": "wrong"})
    assert wrong.json()["error"] == "invalid_client"


def test_the_daily_limit_ends_with_the_day() -> None:
    clock = SimulatedClock(START, frozen=True)
    limits = Limits(per_day=1, today=lambda: clock.now().date())
    limits.take(search=False)
    with pytest.raises(HubSpotError) as refused:
        limits.take(search=False)
    assert refused.value.body("c")["policyName"] == "DAILY"
    assert limits.take(search=False, daily=False)
    clock.advance(timedelta(days=1).total_seconds())
    assert limits.take(search=False)["X-HubSpot-RateLimit-Daily-Remaining"] == "0"


async def test_validation_rules_of_an_account_bind_the_api_only(
    api: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    rules = {"validation_rules": {"companies": {"phone": "[0-9]+"}}}
    await control.post("/behaviour", json=rules)
    refused = await api.post(COMPANIES, json={"properties": {"name": "A", "phone": "none"}})
    assert refused.json()["errors"][0]["code"] == "FAILED_VALIDATION_RULE"
    by_hand = await control.post("/companies", json={"properties": {"phone": "none"}})
    assert by_hand.status_code == 201


@pytest.mark.parametrize(
    ("path", "body", "word"),
    [
        ("/objects/invoices", {}, "invoices"),
        ("/companies/1/merge", {}, "other"),
        ("/companies/1/restore", {}, "companies 1"),
        ("/companies", {"properties": {"nope": "1"}}, "nope"),
        ("/companies", {"id": "x"}, "id 'x'"),
        ("/seed", {"companies": [5]}, "companies[0]"),
        ("/seed", {"owners": [{}]}, "owners[0]"),
        ("/limits", {"per_day": "many"}, "per_day"),
        ("/limits", {"per_year": 1}, "per_year"),
        ("/tokens", {"add": "x"}, "add"),
        ("/webhooks", {"url": "https://acme.example"}, "url"),
        ("/webhooks", {"nope": 1}, "nope"),
        ("/behaviour", {"validation_rules": {"companies": {"name": "("}}}, "companies"),
        ("/row_faults", {"id": "1"}, "id"),
    ],
)
async def test_control_calls_that_make_no_sense_are_named(
    untouched: HubSpotSimulator, path: str, body: Any, word: str
) -> None:
    async with httpx.AsyncClient(base_url=f"{untouched.control_url}/control") as control:
        answer = await control.post(path, json=body)
    assert answer.status_code == 400
    assert word in answer.json()["error"]


async def test_a_record_is_shown_with_its_writes_and_history(
    api: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    made = await created(api, name="Acme")
    path = f"{COMPANIES}/{made['id']}"
    for _ in range(2):
        await api.patch(path, json={"properties": {"phone": "1"}})
    shown = (await control.get(f"/objects/companies/{made['id']}")).json()
    assert shown["writes"] == 2
    assert [one["sourceType"] for one in shown["history"]["phone"]] == ["INTEGRATION"]
    writes = (await control.get("/writes?since=1")).json()["writes"]
    assert [(one["sequence"], one["moved"]) for one in writes] == [(2, ["phone"]), (3, [])]
    assert all(one["source_id"] == "77" for one in writes)


async def test_owners_are_seeded_with_what_the_vendor_always_tells(
    api: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    owners = [{"id": 7, "email": "ada@acme.example"}, {"id": 8, "archived": True}]
    await control.post("/seed", json={"owners": owners})
    listed = (await api.get("/crm/owners/2026-03")).json()["results"]
    assert [(owner["id"], owner["type"]) for owner in listed] == [("7", "PERSON")]
    assert (await api.get("/crm/v3/owners/8")).status_code == 200


MEASURE = """
import resource
from plumbline_simulators.clock import SimulatedClock
from plumbline_simulators.hubspot.kinds import KINDS
from plumbline_simulators.hubspot.store import Records, Source

records = Records(KINDS["companies"], SimulatedClock(), lambda *_: None)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for number in range(20_000):
    values = {"name": f"Company {number}", "domain": f"c{number}.example", "phone": "555"}
    records.create(values, Source("CRM_UI", "userId:5"))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


async def test_records_take_little_memory() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", MEASURE, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(printed) * unit < 20_000 * 2048


async def test_a_list_goes_on_after_any_id(sim: HubSpotSimulator, api: httpx.AsyncClient) -> None:
    ids = [(await created(api, name=str(number)))["id"] for number in range(4)]
    sim.state.of("companies").archive(ids[1], Source("CRM_UI", "userId:5"))
    first = (await api.get(COMPANIES, params={"limit": 1})).json()
    after = first["paging"]["next"]["after"]
    rest = (await api.get(COMPANIES, params={"limit": 100, "after": after})).json()
    assert [row["id"] for row in rest["results"]] == ids[2:]
    assert "paging" not in rest


async def test_the_program_says_where_it_listens_and_ends_on_sigterm() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "plumbline_simulators.hubspot", "--access-token", "pat-x",
        "--portal-id", "9", stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    async with asyncio.timeout(15):
        words = (await process.stdout.readline()).decode().split()
        base_url, control_url = words[3], words[5]
        async with httpx.AsyncClient(headers={"authorization": "Bearer pat-x"}) as client:
            account = await client.get(f"{base_url}/account-info/v3/details")
            assert account.json()["portalId"] == 9
            assert (await client.get(f"{control_url}/control/health")).status_code == 200
        process.terminate()
        assert await process.wait() == 0
