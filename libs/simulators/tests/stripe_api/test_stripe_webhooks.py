"""Events and their delivery: signatures, versions, retries, duplicates, disorder."""

import asyncio
import json
import time

import httpx
import pytest
import stripe

SECRET = "whsec_contract_suite"


@pytest.fixture
async def endpoint(rig, receiver):
    made = await rig.post("/control/endpoints", {"url": receiver.url, "secret": SECRET}, status=201)
    yield made
    await rig.call(rig.client.v1.webhook_endpoints.delete, made["id"])
    await rig.control.delete("/control/faults")


async def settled(rig):
    async with asyncio.timeout(5):
        while True:
            counts = (await rig.control.get("/control/deliveries")).json()["counts"]
            if counts["pending"] == 0:
                return counts
            await asyncio.sleep(0.01)


async def test_a_delivery_passes_the_official_check(rig, receiver, endpoint):
    customer = await rig.customer(name="Signed")
    await receiver.wait_for(1)
    body, header = receiver.received[0]
    event = stripe.Webhook.construct_event(body, header, SECRET)
    assert event.type == "customer.created"
    assert event.data.object.id == customer.id
    assert event.api_version == "2026-10-28.endive"
    assert event.request.idempotency_key
    assert event.pending_webhooks == 1
    timestamp = int(header.split(",")[0].removeprefix("t="))
    assert abs(timestamp - time.time()) < 5
    assert event.created < timestamp  # the object's time is simulated, the signature's real
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body, header, "whsec_other")
    await settled(rig)
    read = await rig.call(rig.client.v1.events.retrieve, event.id)
    assert read.pending_webhooks == 0


async def test_an_endpoint_made_through_the_api_has_its_own_secret(rig, receiver):
    endpoints = rig.client.v1.webhook_endpoints
    made = await rig.call(
        endpoints.create,
        {
            "url": receiver.url,
            "enabled_events": ["customer.updated"],
            "api_version": "2024-09-30.acacia",
        },
    )
    assert made.secret.startswith("whsec_")
    assert (await rig.call(endpoints.retrieve, made.id)).secret is None
    customer = await rig.customer()
    await rig.call(rig.client.v1.customers.update, customer.id, {"name": "Renamed"})
    await receiver.wait_for(1)
    body, header = receiver.received[0]
    event = stripe.Webhook.construct_event(body, header, made.secret)
    assert event.type == "customer.updated"
    assert event.api_version == "2024-09-30.acacia"
    assert event.data.previous_attributes.to_dict() == {"name": "Acme"}
    await rig.call(endpoints.update, made.id, {"disabled": True})
    await rig.call(rig.client.v1.customers.update, customer.id, {"name": "Unseen"})
    await rig.call(endpoints.delete, made.id)
    assert len(receiver.received) == 1


async def test_both_secrets_sign_while_one_is_rolled(rig, receiver, endpoint):
    await rig.post(f"/control/endpoints/{endpoint['id']}/roll", {"secret": "whsec_new"})
    await rig.customer()
    await receiver.wait_for(1)
    body, header = receiver.received[0]
    assert header.count("v1=") == 2
    for secret in (SECRET, "whsec_new"):
        stripe.Webhook.construct_event(body, header, secret)


async def test_only_2xx_ends_the_retries(rig, receiver, endpoint):
    receiver.answers = [500, 301]
    await rig.customer()
    bodies = await receiver.wait_for(3)
    assert len({body["id"] for body in bodies}) == 1
    await settled(rig)
    log = (await rig.control.get(f"/control/deliveries?event={bodies[0]['id']}")).json()
    assert log["deliveries"][0]["statuses"] == [500, 301, 200]
    assert log["deliveries"][0]["state"] == "delivered"


async def test_events_that_never_arrive_are_found_by_delivery_success(rig, receiver, endpoint):
    receiver.answers = [500] * 5
    customer = await rig.customer()
    await receiver.wait_for(5)
    await settled(rig)
    events = rig.client.v1.events
    failed = await rig.call(events.list, {"delivery_success": False, "limit": 1})
    assert failed.data[0].data.object.id == customer.id
    passed = await rig.call(events.list, {"delivery_success": True, "limit": 1})
    assert passed.data[0].id != failed.data[0].id


async def test_events_are_listed_by_type_and_for_thirty_days(rig):
    customer = await rig.customer()
    await rig.call(rig.client.v1.customers.update, customer.id, {"phone": "1"})
    events = rig.client.v1.events
    only = await rig.call(events.list, {"type": "customer.updated", "limit": 1})
    assert only.data[0].data.object.id == customer.id
    wild = await rig.call(events.list, {"types": ["customer.*", "invoice.paid"], "limit": 2})
    assert [event.type for event in wild.data] == ["customer.updated", "customer.created"]
    oldest = wild.data[1].id
    newer = await rig.call(events.list, {"ending_before": oldest})
    assert [event.type for event in newer.data] == ["customer.updated"]
    await rig.advance(31 * 86_400)
    with pytest.raises(stripe.InvalidRequestError):
        await rig.call(events.retrieve, oldest)
    page = await rig.call(events.list, {"types": ["customer.updated"]})
    assert page.data == []


async def test_redelivery_under_the_same_id_and_under_a_new_one(rig, receiver, endpoint):
    await rig.customer()
    first = (await receiver.wait_for(1))[0]
    await rig.post(f"/control/events/{first['id']}/redeliver", {"times": 2})
    await rig.post(f"/control/events/{first['id']}/redeliver", {"times": 1, "new_id": True})
    bodies = await receiver.wait_for(4)
    assert [body["id"] for body in bodies].count(first["id"]) == 3
    assert len({body["id"] for body in bodies}) == 2
    assert len({json.dumps(body["data"], sort_keys=True) for body in bodies}) == 1


async def test_delivery_faults_duplicate_drop_lose_and_reorder(rig, receiver, endpoint):
    rules = [
        {"channel": "delivery", "path": "customer.created", "nth": 1, "action": "duplicate"},
        {"channel": "delivery", "path": "customer.created", "nth": 2, "action": "drop_after"},
        {
            "channel": "delivery",
            "path": "customer.created",
            "nth": 4,
            "action": {"kind": "reorder", "behind": 1},
        },
    ]
    await rig.post("/control/faults", {"faults": rules}, status=201)
    names = [(await rig.customer()).id for _ in range(2)]
    await receiver.wait_for(4)  # twice by the duplicate, twice by the lost answer
    got = [json.loads(body)["data"]["object"]["id"] for body, _ in receiver.received]
    assert sorted(got) == sorted([names[0]] * 2 + [names[1]] * 2)
    await settled(rig)
    late, early = (await rig.customer()).id, (await rig.customer()).id
    await receiver.wait_for(6)
    got = [json.loads(body)["data"]["object"]["id"] for body, _ in receiver.received]
    assert got[4:] == [early, late]


async def test_thin_events_point_at_the_object(rig, receiver):
    made = await rig.post(
        "/control/endpoints",
        {"url": receiver.url, "secret": SECRET, "payload": "thin"},
        status=201,
    )
    customer = await rig.customer()
    await receiver.wait_for(1)
    body, header = receiver.received[0]
    thin = rig.client.parse_event_notification(body, header, SECRET)
    assert thin.type == "v1.customer.created"
    assert thin.related_object.id == customer.id
    await rig.call(rig.client.v1.webhook_endpoints.delete, made["id"])


async def test_an_arbitrary_body_is_signed_and_sent(rig, receiver, endpoint):
    answer = await rig.post("/control/emit", {"body": "not json"})
    assert answer["answers"][0]["status"] == 200
    body, header = receiver.received[0]
    assert body == b"not json"
    stripe.WebhookSignature.verify_header("not json", header, SECRET, 300)
    await rig.post("/control/emit", {"body": {"a": 1}, "timestamp": 1000})
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header('{"a":1}', receiver.received[1][1], SECRET, 300)


async def test_control_calls_that_make_no_sense_are_named(rig):
    async with httpx.AsyncClient(base_url=rig.sim.control_url, trust_env=False) as http:
        for path, body, word in (
            ("/control/endpoints", {"url": "http://127.0.0.1:1/"}, "secret"),
            ("/control/endpoints", {"url": "ftp://x", "secret": "s"}, "url"),
            ("/control/faults", {"action": "explode"}, "kind"),
            ("/control/clock", {"to": "2001-01-01T00:00:00+00:00"}, "past"),
            ("/control/touch", {"subscriptions": 0}, "subscriptions"),
            ("/control/seed", {"customers": [{"subscriptions": [{"price": "p"}]}]}, "customers[0]"),
        ):
            answer = await http.post(path, json=body)
            assert answer.status_code == 400, path
            assert word.lower() in answer.json()["error"].lower(), answer.text
