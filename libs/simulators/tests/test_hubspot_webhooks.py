"""Notifications: signed, batched, retried, echoing our own writes."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from hubspot.utils.signature import Signature
from plumbline_simulators.hubspot.simulator import HubSpotSimulator, hubspot_simulator
from plumbline_simulators.server import running
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

SECRET = "simulated-client-secret"
PUBLIC = "https://hooks.acme.example/webhooks/acme/hubspot"


class Receiver:
    """Keeps what it was sent; answers the next of `statuses`, else 200."""

    def __init__(self) -> None:
        self.posts: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.pauses: list[float] = []

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event for _, body in self.posts for event in json.loads(body)]

    async def handle(self, request: Request) -> Response:
        self.posts.append((dict(request.headers), await request.body()))
        await asyncio.sleep(self.pauses.pop(0) if self.pauses else 0)
        return Response(status_code=self.statuses.pop(0) if self.statuses else 200)

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not done():
                await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
async def hooks() -> AsyncIterator[tuple[str, dict[str, Receiver]]]:
    """One server for all; each test's receiver stands under `now`."""
    receivers: dict[str, Receiver] = {}

    async def handle(request: Request) -> Response:
        return await receivers["now"].handle(request)

    app = Starlette(routes=[Route("/hook", handle, methods=["POST"])])
    async with running(app) as url:
        yield f"{url}/hook", receivers


@pytest.fixture
async def receiver(hooks: tuple[str, dict[str, Receiver]]) -> Receiver:
    hooks[1]["now"] = Receiver()
    return hooks[1]["now"]


@pytest.fixture
async def sim(
    hooks: tuple[str, dict[str, Receiver]], receiver: Receiver
) -> AsyncIterator[HubSpotSimulator]:
    async with hubspot_simulator(webhook_url=hooks[0], public_url=PUBLIC) as started:
        started.state.webhooks.settings.retry_seconds = 0.02
        yield started


async def control(sim: HubSpotSimulator, method: str, path: str, body: Any = None) -> Any:
    async with httpx.AsyncClient(base_url=sim.control_url) as http:
        answer = await http.request(method, f"/control{path}", json=body)
        assert answer.status_code < 300, answer.text
        return answer.json()


async def test_the_official_helper_accepts_both_signatures(
    sim: HubSpotSimulator, receiver: Receiver
) -> None:
    await control(sim, "POST", "/objects/companies", {"properties": {"name": "Acme"}})
    await receiver.until(lambda: bool(receiver.posts))
    headers, body = receiver.posts[0]
    assert Signature.is_valid(
        signature=headers["x-hubspot-signature-v3"], client_secret=SECRET,
        request_body=body.decode(), http_uri=PUBLIC, http_method="POST", signature_version="v3",
        timestamp=headers["x-hubspot-request-timestamp"],
    )  # fmt: skip
    assert Signature.is_valid(
        signature=headers["x-hubspot-signature"], client_secret=SECRET,
        request_body=body.decode(), signature_version="v1",
    )  # fmt: skip


async def test_headers_reproduce_the_published_v1_vector(sim: HubSpotSimulator) -> None:
    sim.state.webhooks.settings.client_secret = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
    body = (
        b'[{"eventId":1,"subscriptionId":12345,"portalId":62515,"occurredAt":1564113600000,'
        b'"subscriptionType":"contact.creation","attemptNumber":0,"objectId":123,'
        b'"changeSource":"CRM","changeFlag":"NEW","appId":54321}]'
    )
    signed = sim.state.webhooks.headers(body, 0)["X-HubSpot-Signature"]
    assert signed == "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de"


async def test_headers_reproduce_the_published_v3_vector(sim: HubSpotSimulator) -> None:
    settings = sim.state.webhooks.settings
    settings.client_secret = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
    settings.public_url = "https://www.example.com/webhook_uri"
    body = b"{'example_field':'example_value'}"
    signed = sim.state.webhooks.headers(body, 1693657560000)["X-HubSpot-Signature-v3"]
    assert signed == "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y="


async def test_a_person_and_an_app_are_told_apart(
    sim: HubSpotSimulator, receiver: Receiver
) -> None:
    made = await control(sim, "POST", "/objects/companies", {"properties": {"name": "Acme"}})
    headers = {"authorization": "Bearer pat-na1-simulated"}
    async with httpx.AsyncClient(base_url=sim.base_url, headers=headers) as http:
        await http.patch(
            f"/crm/v3/objects/companies/{made['id']}", json={"properties": {"phone": "1"}}
        )
    await control(sim, "POST", f"/objects/companies/{made['id']}", {"properties": {"phone": "2"}})
    await receiver.until(lambda: len(receiver.events) >= 3)
    phones = {e["propertyValue"]: e for e in receiver.events if e.get("propertyName") == "phone"}
    assert (phones["1"]["changeSource"], phones["1"]["sourceId"]) == ("INTEGRATION", "77")
    assert (phones["2"]["changeSource"], phones["2"]["sourceId"]) == ("CRM_UI", "userId:5")
    assert receiver.events[0]["changeFlag"] == "NEW"


async def test_a_write_that_changes_nothing_notifies_nobody(
    sim: HubSpotSimulator, receiver: Receiver
) -> None:
    made = await control(sim, "POST", "/objects/companies", {"properties": {"name": "Acme"}})
    await control(sim, "POST", f"/objects/companies/{made['id']}", {"properties": {"name": "Acme"}})
    await control(sim, "DELETE", f"/objects/companies/{made['id']}")
    await receiver.until(lambda: any(e.get("changeFlag") == "DELETED" for e in receiver.events))
    assert [e["subscriptionType"] for e in receiver.events] == [
        "company.creation",
        "company.deletion",
    ]


async def test_a_refused_delivery_comes_again_with_its_attempt(
    sim: HubSpotSimulator, receiver: Receiver
) -> None:
    receiver.statuses = [503, 404]
    await control(sim, "POST", "/objects/companies", {"properties": {"name": "Acme"}})
    await receiver.until(lambda: len(receiver.posts) == 3)
    assert [event["attemptNumber"] for event in receiver.events] == [0, 1, 2]
    assert len({event["eventId"] for event in receiver.events}) == 1


async def test_many_changes_come_in_arrays_of_at_most_100(
    sim: HubSpotSimulator, receiver: Receiver
) -> None:
    companies = [{"properties": {"name": f"C{n}"}} for n in range(250)]
    await control(sim, "POST", "/seed", {"companies": companies, "events": True})
    await receiver.until(lambda: len(receiver.events) == 250)
    assert max(len(json.loads(body)) for _, body in receiver.posts) == 100


async def test_only_what_is_subscribed_is_sent(sim: HubSpotSimulator, receiver: Receiver) -> None:
    await control(sim, "POST", "/webhooks", {"subscriptions": ["company.propertyChange.domain"]})
    made = await control(sim, "POST", "/objects/companies", {"properties": {"name": "Acme"}})
    both = {"properties": {"domain": "a.example", "phone": "1"}}
    await control(sim, "POST", f"/objects/companies/{made['id']}", both)
    await receiver.until(lambda: bool(receiver.events))
    assert [event["propertyName"] for event in receiver.events] == ["domain"]


async def test_rows_can_be_made_to_fail_by_category(sim: HubSpotSimulator) -> None:
    made = await control(sim, "POST", "/objects/companies", {"properties": {"name": "Acme"}})
    fault = {"ids": [made["id"]], "category": "RATE_LIMITS", "times": 1}
    await control(sim, "POST", "/row_faults", fault)
    row = {"id": made["id"], "properties": {"phone": "1"}, "objectWriteTraceId": "t1"}
    headers = {"authorization": "Bearer pat-na1-simulated"}
    async with httpx.AsyncClient(base_url=sim.base_url, headers=headers) as http:
        path = "/crm/v3/objects/companies/batch/update"
        first = await http.post(path, json={"inputs": [row]})
        second = await http.post(path, json={"inputs": [row]})
    assert (first.status_code, first.json()["errors"][0]["category"]) == (207, "RATE_LIMITS")
    assert second.json()["results"][0]["objectWriteTraceId"] == "t1"
    written = await control(sim, "GET", "/writes?since=1")
    assert [w["properties"] for w in written["writes"]] == [{"phone": "1"}]


async def test_several_portals_and_one_event_id_in_one_array(
    sim: HubSpotSimulator, receiver: Receiver
) -> None:
    await control(sim, "POST", "/webhooks", {"also_portals": [4343], "one_event_id": 5})
    await control(sim, "POST", "/companies", {"properties": {"name": "Acme"}})
    await control(sim, "POST", "/companies", {"properties": {"name": "Beta"}})
    await receiver.until(lambda: len(receiver.events) == 4)
    assert [event["portalId"] for event in receiver.events] == [4242, 4343] * 2
    assert {event["eventId"] for event in receiver.events} == {5}


async def test_a_merge_names_all_its_records(sim: HubSpotSimulator, receiver: Receiver) -> None:
    one = await control(sim, "POST", "/companies", {"properties": {"name": "A"}})
    both = {"properties": {"name": "B", "phone": "1", "city": "Berlin"}}
    two = await control(sim, "POST", "/companies", both)
    new = await control(sim, "POST", f"/companies/{one['id']}/merge", {"other": two["id"]})
    await receiver.until(lambda: len(receiver.events) == 3)
    event = receiver.events[-1]
    assert event["subscriptionType"] == "company.merge"
    assert (event["primaryObjectId"], event["mergedObjectIds"]) == (
        int(one["id"]),
        [int(two["id"])],
    )
    assert event["newObjectId"] == event["objectId"] == int(new["id"])
    assert event["numberOfPropertiesMoved"] == 2


async def test_instants_travel_as_milliseconds_and_text_as_it_is(
    sim: HubSpotSimulator, receiver: Receiver
) -> None:
    made = await control(sim, "POST", "/deals", {"properties": {"dealname": "D"}})
    change = {"closedate": "2026-09-21T14:13:20Z", "dealname": "2026-13-45Txx:00:00.000Z"}
    await control(sim, "POST", f"/deals/{made['id']}", {"properties": change})
    await receiver.until(lambda: len(receiver.events) == 3)
    values = {e["propertyName"]: e["propertyValue"] for e in receiver.events[1:]}
    assert values == {"closedate": "1790000000000", "dealname": change["dealname"]}


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ({"kind": "duplicate", "copies": 2}, ["A", "A", "A", "B"]),
        ({"kind": "reorder", "behind": 1}, ["B", "A"]),
        ({"kind": "drop_before"}, ["B"]),
    ],
)
async def test_deliveries_can_be_doubled_reordered_and_lost(
    sim: HubSpotSimulator, receiver: Receiver, action: dict[str, Any], expected: list[str]
) -> None:
    rule = {"channel": "delivery", "path": "company.creation /hook", "nth": 1, "action": action}
    await control(sim, "POST", "/faults", rule)
    ids = {}
    for name in "AB":
        made = await control(sim, "POST", "/companies", {"properties": {"name": name}})
        ids[int(made["id"])] = name
        await asyncio.sleep(0.15)
    await receiver.until(lambda: len(receiver.events) == len(expected))
    assert sorted(ids[event["objectId"]] for event in receiver.events) == sorted(expected)
    if action["kind"] == "reorder":
        assert [ids[event["objectId"]] for event in receiver.events] == expected


async def test_a_held_delivery_goes_out_though_nothing_overtakes_it(
    sim: HubSpotSimulator, receiver: Receiver
) -> None:
    sim.state.webhooks.settings.held_seconds = 0.1
    rule = {"channel": "delivery", "nth": 1, "action": {"kind": "reorder", "behind": 1}}
    await control(sim, "POST", "/faults", rule)
    await control(sim, "POST", "/companies", {"properties": {"name": "A"}})
    assert sim.state.webhooks.waiting
    await receiver.until(lambda: len(receiver.events) == 1)
    await receiver.until(lambda: not sim.state.webhooks.waiting)


async def test_a_slow_receiver_gets_it_again(sim: HubSpotSimulator, receiver: Receiver) -> None:
    await control(sim, "POST", "/webhooks", {"timeout_seconds": 0.05})
    receiver.pauses = [0.3]
    await control(sim, "POST", "/companies", {"properties": {"name": "A"}})
    await receiver.until(lambda: len(receiver.events) == 2)
    assert [event["attemptNumber"] for event in receiver.events] == [0, 1]


async def test_it_is_given_up_after_the_tenth_retry(
    sim: HubSpotSimulator, receiver: Receiver
) -> None:
    sim.state.webhooks.settings.retry_seconds = 0.001
    receiver.statuses = [400] * 20
    await control(sim, "POST", "/companies", {"properties": {"name": "A"}})
    await receiver.until(lambda: sim.state.webhooks.given_up == 1)
    assert [event["attemptNumber"] for event in receiver.events] == list(range(11))
