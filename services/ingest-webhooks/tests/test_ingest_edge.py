"""The edge: who is let in, what is stored, what each refusal answers and counts."""

import asyncio
import time

import httpx
import pytest
from ingest_webhooks.edge import is_json
from ingest_webhooks.endpoints import endpoints
from plumbline_runtime.secrets import ConfigError
from plumbline_runtime.servers import HttpServer
from prometheus_client import REGISTRY

STRIPE = "/webhooks/acme/pay"
HUBSPOT = "/webhooks/acme/crm"


def counted(source: str, result: str) -> float:
    labels = {"source": source, "result": result}
    return REGISTRY.get_sample_value("plumbline_ingest_requests_total", labels) or 0.0


@pytest.fixture
def client_for():
    def make(edge) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=edge)
        return httpx.AsyncClient(transport=transport, base_url="http://edge.example")

    return make


@pytest.fixture
async def client(make_edge, client_for):
    async with client_for(make_edge()) as http:
        yield http


async def test_signed_stripe_event_is_stored_unchanged_under_its_customer(client, publisher, kit):
    body = b'  {"id": "evt_9",' + kit.dumps(kit.stripe_event(id="evt_9"))[1:] + b"\n"
    answer = await client.post(STRIPE, content=body, headers=kit.stripe_headers(body))
    assert (answer.status_code, answer.json()) == (200, {"received": True})
    ((topic, message),) = publisher.messages
    assert topic == "webhooks.received.v1"
    assert message.value == body
    assert message.key == "acme/pay/customer/cus_1"
    headers = dict(message.headers)
    assert headers["plumbline-workspace"] == b"acme"
    assert headers["plumbline-connection"] == b"pay"
    assert headers["plumbline-vendor"] == b"stripe"
    assert abs(int(headers["plumbline-received-at"]) / 1000 - time.time()) < 5
    assert headers["ce_id"] == b"evt_9"
    assert "reply_to" not in headers


async def test_request_headers_never_reach_kafka(client, publisher, kit):
    body = kit.dumps(kit.stripe_event())
    headers = kit.stripe_headers(body) | {"reply_to": "evil", "x-anything": "1"}
    assert (await client.post(STRIPE, content=body, headers=headers)).status_code == 200
    names = {name for name, _ in publisher.messages[0][1].headers}
    assert not names & {"reply_to", "x-anything"}


async def test_every_secret_of_the_connection_verifies(client, publisher, kit):
    body = kit.dumps(kit.stripe_event())
    headers = kit.stripe_headers(body, secret=kit.old_secret)
    assert (await client.post(STRIPE, content=body, headers=headers)).status_code == 200
    assert len(publisher.messages) == 1


async def test_hubspot_is_verified_against_the_public_url_not_host(client, publisher, kit):
    body = kit.dumps([kit.hubspot_notification()])
    headers = kit.hubspot_headers(body) | {"host": "internal.example:8080"}
    assert (await client.post(HUBSPOT, content=body, headers=headers)).status_code == 200
    ((_, message),) = publisher.messages
    assert message.value == body
    assert dict(message.headers)["plumbline-vendor"] == b"hubspot"


async def test_events_are_accepted_whatever_their_created(client, publisher, kit):
    for created in (0, 4_000_000_000):
        body = kit.dumps(kit.stripe_event(created=created))
        answer = await client.post(STRIPE, content=body, headers=kit.stripe_headers(body))
        assert answer.status_code == 200
    assert len(publisher.messages) == 2


@pytest.mark.parametrize("body", [b"not json", b"[]", b"", b'{"a":' * 5000, b"\xff\xfe", b"null"])
async def test_signed_but_unreadable_bodies_are_stored_for_observe_to_dead_letter(
    client, publisher, kit, body
):
    answer = await client.post(STRIPE, content=body, headers=kit.stripe_headers(body))
    assert answer.status_code == 200
    assert publisher.messages[0][1].value == body
    assert publisher.messages[0][1].key.startswith("acme/pay/delivery/")


@pytest.mark.parametrize("event_id", ["x" * 5000, "a b", "evt/1", "\u0000", "\u00e9"])
async def test_an_id_no_vendor_would_mint_never_becomes_a_key(client, publisher, kit, event_id):
    body = kit.dumps(kit.stripe_event(id=event_id, data={"object": {"id": event_id}}))
    answer = await client.post(STRIPE, content=body, headers=kit.stripe_headers(body))
    assert answer.status_code == 200
    key = publisher.messages[0][1].key
    assert key.startswith("acme/pay/delivery/")
    assert len(key) < 100


@pytest.mark.parametrize(
    ("change", "result"),
    [
        ({"stripe-signature": None}, "signature_missing"),
        ({"stripe-signature": "t=1,v1=zz"}, "signature_no_match"),
        ({"stripe-signature": "garbage"}, "signature_malformed"),
        ({"stripe-signature": "t=1\u00e9,v1=zz"}, "signature_malformed"),
    ],
)
async def test_bad_stripe_signature_is_400(client, publisher, kit, change, result):
    body = kit.dumps(kit.stripe_event())
    headers = {**kit.stripe_headers(body), **change}
    raw = [(k.encode(), v.encode("latin-1")) for k, v in headers.items() if v is not None]
    before = counted("acme/pay", result)
    answer = await client.post(STRIPE, content=body, headers=raw)
    assert answer.status_code == 400
    assert publisher.messages == []
    assert counted("acme/pay", result) == before + 1


@pytest.mark.parametrize(
    ("offset", "result"), [(-301, "signature_stale"), (400, "signature_future")]
)
async def test_a_true_signature_of_another_time_is_refused(client, publisher, kit, offset, result):
    at = time.time() + offset
    body = kit.dumps(kit.stripe_event())
    answer = await client.post(STRIPE, content=body, headers=kit.stripe_headers(body, at=at))
    assert answer.status_code == 400
    assert result.removeprefix("signature_") in answer.json()["error"]
    notes = kit.dumps([kit.hubspot_notification()])
    answer = await client.post(HUBSPOT, content=notes, headers=kit.hubspot_headers(notes, at=at))
    assert answer.status_code == 401
    assert publisher.messages == []


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/json"},
        {"content-type": "application/json", "x-hubspot-signature-v3": "AAAA"},
        {"content-type": "application/json", "x-hubspot-signature": "00" * 32},
    ],
)
async def test_bad_hubspot_signature_is_401(client, publisher, kit, headers):
    body = kit.dumps([kit.hubspot_notification()])
    assert (await client.post(HUBSPOT, content=body, headers=headers)).status_code == 401
    assert publisher.messages == []


async def test_body_signed_for_another_connection_is_refused(client, publisher, kit):
    body = kit.dumps([kit.hubspot_notification()])
    headers = kit.hubspot_headers(body, path="/webhooks/other/crm")
    assert (await client.post(HUBSPOT, content=body, headers=headers)).status_code == 401
    assert publisher.messages == []


@pytest.mark.parametrize(
    "path", ["/webhooks/nobody/pay", "/webhooks/acme/none", "/webhooks/acme", "/webhooks/", "/x"]
)
async def test_unknown_places_are_404(client, publisher, kit, path):
    body = kit.dumps(kit.stripe_event())
    result = "unknown_connection" if path.startswith("/webhooks/") else "unknown_path"
    before = counted("unknown", result)
    answer = await client.post(path, content=body, headers=kit.stripe_headers(body))
    assert answer.status_code == 404
    assert publisher.messages == []
    assert counted("unknown", result) == before + 1


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
async def test_only_post_is_allowed(client, publisher, method):
    answer = await client.request(method, STRIPE)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    assert publisher.messages == []


@pytest.mark.parametrize("content_type", ["text/plain", "", "application/xml", "application/jsonp"])
async def test_other_content_types_are_415(client, publisher, kit, content_type):
    body = kit.dumps(kit.stripe_event())
    headers = kit.stripe_headers(body) | {"content-type": content_type}
    assert (await client.post(STRIPE, content=body, headers=headers)).status_code == 415
    assert publisher.messages == []


def test_parameters_of_the_content_type_are_allowed():
    assert is_json("application/json; charset=utf-8")
    assert is_json("Application/JSON;charset=UTF-8")
    assert not is_json("application/json-seq")


@pytest.mark.parametrize(
    ("size", "status"), [(1_048_000, 200), (1_048_576, 200), (1_048_577, 413), (3_000_000, 413)]
)
@pytest.mark.parametrize("chunked", [False, True])
async def test_body_cap_is_one_mebibyte(client, publisher, kit, *, size, status, chunked):
    body = kit.dumps(kit.stripe_event(padding="x" * size))
    body = body.replace(b"x" * (len(body) - size), b"", 1)
    assert len(body) == size

    async def chunks():
        for start in range(0, size, 65_536):
            yield body[start : start + 65_536]

    content = chunks() if chunked else body
    answer = await client.post(STRIPE, content=content, headers=kit.stripe_headers(body))
    assert answer.status_code == status
    assert len(publisher.messages) == (1 if status == 200 else 0)


async def test_a_lying_content_length_does_not_lift_the_cap(make_edge, publisher, kit):
    body = b"x" * 1_100_000
    headers = kit.stripe_headers(body) | {"content-length": "10"}
    status = await call(make_edge(), [body], headers)
    assert status == 413
    headers["content-length"] = "99999999999"
    assert await call(make_edge(), [body], headers) == 413
    assert publisher.messages == []


async def test_a_client_that_sends_too_much_hears_413_over_a_real_socket(make_edge, publisher, kit):
    server = HttpServer(make_edge(), "127.0.0.1:0")
    task = asyncio.create_task(server.run())
    await server.started()
    body = b"x" * 4_000_000
    async with httpx.AsyncClient(base_url=f"http://{server.address}") as http:
        answer = await http.post(STRIPE, content=body, headers=kit.stripe_headers(body))
        assert answer.status_code == 413
        small = kit.dumps(kit.stripe_event())
        answer = await http.post(STRIPE, content=small, headers=kit.stripe_headers(small))
        assert answer.status_code == 200
    server.stop()
    await task
    assert len(publisher.messages) == 1


async def test_the_client_and_not_the_server_ends_an_idle_connection(make_edge, publisher, kit):
    """A request on its way into a connection that the server closes would have no answer."""
    server = HttpServer(make_edge(), "127.0.0.1:0")
    task = asyncio.create_task(server.run())
    await server.started()
    body = kit.dumps(kit.stripe_event())
    limits = httpx.Limits(max_connections=1, keepalive_expiry=60)
    async with httpx.AsyncClient(base_url=f"http://{server.address}", limits=limits) as http:
        assert (await http.post(STRIPE, content=body, headers=kit.stripe_headers(body))).is_success
        [kept] = http._transport._pool.connections
        await asyncio.sleep(6)  # uvicorn's own patience is five seconds
        assert (await http.post(STRIPE, content=body, headers=kit.stripe_headers(body))).is_success
        assert http._transport._pool.connections == [kept]
    server.stop()
    await task
    assert len(publisher.messages) == 2


async def test_a_client_that_leaves_or_stalls_publishes_nothing(make_edge, publisher, kit):
    edge = make_edge(body_timeout=0.05)
    assert await call(edge, [b"half", None], kit.stripe_headers(b"half")) is None
    assert await call(edge, [b"half", asyncio.Event()], kit.stripe_headers(b"half")) == 408
    assert publisher.messages == []


async def test_without_kafka_the_answer_is_503_with_retry_after(client, publisher, kit):
    publisher.down = True
    body = kit.dumps(kit.stripe_event())
    answer = await client.post(STRIPE, content=body, headers=kit.stripe_headers(body))
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert publisher.timeouts == [1.5]


async def test_above_the_bound_nobody_waits(make_edge, client_for, publisher, kit):
    publisher.gate = asyncio.Event()
    body = kit.dumps(kit.stripe_event())
    async with client_for(make_edge(max_waiting=2)) as http:
        waiting = [
            asyncio.create_task(http.post(STRIPE, content=body, headers=kit.stripe_headers(body)))
            for _ in range(2)
        ]
        while len(publisher.timeouts) < 2:
            await asyncio.sleep(0.01)
        async with asyncio.timeout(1):
            answer = await http.post(STRIPE, content=body, headers=kit.stripe_headers(body))
        assert answer.status_code == 503
        publisher.gate.set()
        assert [(await one).status_code for one in waiting] == [200, 200]


async def test_while_draining_health_says_so_and_every_answer_is_the_last(make_edge, client_for):
    async with client_for(make_edge(stopping=lambda: True)) as http:
        ready = await http.get("/health/ready")
        live = await http.get("/health/live")
    assert ready.status_code == 503
    assert ready.json()["missing"][0]["detail"] == "draining"
    assert live.status_code == 200
    assert {ready.headers["connection"], live.headers["connection"]} == {"close"}


async def test_while_draining_nothing_is_taken(make_edge, client_for, publisher, kit):
    body = kit.dumps(kit.stripe_event())
    async with client_for(make_edge(stopping=lambda: True)) as http:
        answer = await http.post(STRIPE, content=body, headers=kit.stripe_headers(body))
    assert answer.status_code == 503
    assert "retry-after" in answer.headers
    assert publisher.messages == []


async def test_health_pages(client):
    assert (await client.get("/health/live")).status_code == 200
    assert (await client.get("/health/ready")).json()["ready"] is True
    assert (await client.get("/health/other")).status_code == 404
    assert (await client.post("/health/ready")).status_code == 405


def test_a_missing_secret_stops_the_start_and_is_named(deployment, monkeypatch):
    monkeypatch.delenv("TEST_STRIPE_SECRET_OLD")
    expected = r"plumbline\.toml: connections\.pay\.webhook_secrets\[1\].*TEST_STRIPE_SECRET_OLD"
    with pytest.raises(ConfigError, match=expected):
        endpoints(deployment, public_url="https://hooks.acme.example", tolerance_seconds=300)


async def call(edge, parts, headers) -> int | None:
    """Drive the application without a client that would mend what we want broken."""
    queue = list(parts)
    sent = []

    async def receive():
        part = queue.pop(0)
        if part is None:
            return {"type": "http.disconnect"}
        if isinstance(part, asyncio.Event):
            await part.wait()
        return {"type": "http.request", "body": part, "more_body": bool(queue)}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": STRIPE,
        "query_string": b"",
        "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
    }
    await edge(scope, receive, send)
    return sent[0]["status"] if sent else None
