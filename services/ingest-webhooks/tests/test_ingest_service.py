"""The whole service as a process, on real Kafka and PostgreSQL, against a small vendor server."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaConsumer
from plumbline_runtime.servers import HttpServer
from plumbline_runtime.topics import ensure_topics
from plumbline_schemas.observations import decode_observation
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

pytestmark = pytest.mark.server


class Vendors:
    """The few HubSpot and Stripe paths that the reader uses."""

    def __init__(self) -> None:
        self.companies: dict[str, dict] = {}
        self.customers: dict[str, dict] = {}
        self.calls: list[str] = []
        self.status = 200
        self.app = Starlette(
            routes=[
                Route("/crm/v3/objects/companies/batch/read", self.batch, methods=["POST"]),
                Route("/crm/v3/objects/companies/{id}", self.company),
                Route("/v1/customers/{id}", self.customer),
            ]
        )

    async def batch(self, request) -> JSONResponse:
        ids = [one["id"] for one in (await request.json())["inputs"]]
        self.calls.append("batch " + ",".join(sorted(ids)))
        if self.status != 200:
            return JSONResponse({"status": "error", "message": "no"}, status_code=self.status)
        found = [self.companies[one] for one in ids if one in self.companies]
        return JSONResponse({"status": "COMPLETE", "results": found})

    async def company(self, request) -> JSONResponse:
        vendor_id = request.path_params["id"]
        self.calls.append(f"company {vendor_id}")
        if vendor_id not in self.companies:
            return JSONResponse({"status": "error", "category": "OBJECT_NOT_FOUND"}, 404)
        return JSONResponse(self.companies[vendor_id])

    async def customer(self, request) -> JSONResponse:
        vendor_id = request.path_params["id"]
        self.calls.append(f"customer {vendor_id}")
        return JSONResponse(self.customers[vendor_id])

    def add_company(self, vendor_id: str) -> None:
        self.companies[vendor_id] = {
            "id": vendor_id,
            "properties": {"name": f"Company {vendor_id}", "domain": f"c{vendor_id}.example"},
            "updatedAt": "2026-11-20T11:00:00.000Z",
            "archived": False,
        }


class Service:
    """The process, its address and what it has written."""

    def __init__(self, *, env, port, bootstrap, prefix, database_url, kit) -> None:
        self.env, self.port, self.kit = env, port, kit
        self.bootstrap, self.prefix, self.database_url = bootstrap, prefix, database_url
        self.process = None
        self.http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10)

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ingest_webhooks.main", env=self.env
        )
        await self.until_row(
            f"select ready from runtime.heartbeats where pid = {self.process.pid} and ready"
        )

    async def stop(self, how=signal.SIGTERM) -> int:
        if self.process.returncode is None:
            self.process.send_signal(how)
        async with asyncio.timeout(25):
            return await self.process.wait()

    async def until_row(self, query: str, seconds: float = 30.0):
        conn = await asyncpg.connect(self.database_url)
        try:
            async with asyncio.timeout(seconds):
                while (found := await conn.fetchrow(query)) is None:
                    assert self.process.returncode is None, "the service ended"
                    await asyncio.sleep(0.05)
            return found
        finally:
            await conn.close()

    async def execute(self, statement: str) -> None:
        conn = await asyncpg.connect(self.database_url)
        try:
            await conn.execute(statement)
        finally:
            await conn.close()

    async def stripe(self, body: bytes) -> int:
        return await self._post("/webhooks/acme/pay", body, self.kit.stripe_headers(body))

    async def hubspot(self, *rows) -> int:
        body = self.kit.dumps([self.kit.hubspot_notification(**row) for row in rows])
        return await self._post("/webhooks/acme/crm", body, self.kit.hubspot_headers(body))

    async def _post(self, path: str, body: bytes, headers: dict) -> int:
        """As the vendors do: a 503 (a fresh topic has no leader yet) is sent again."""
        async with asyncio.timeout(20):
            while True:
                answer = await self.http.post(path, content=body, headers=headers)
                if answer.status_code != 503:
                    return answer.status_code

    async def records(self, topic: str, wanted: int, seconds: float = 20.0) -> list:
        """The first `wanted` records, and whatever else follows within half a second."""
        consumer = AIOKafkaConsumer(
            self.prefix + topic,
            bootstrap_servers=self.bootstrap,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        await consumer.start()
        found = []
        try:
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                batch = await consumer.getmany(timeout_ms=500)
                found += [record for records in batch.values() for record in records]
                if len(found) >= wanted and not batch:
                    break
        finally:
            await consumer.stop()
        assert len(found) >= wanted, f"{topic}: {len(found)} of {wanted}"
        return found

    async def observations(self, wanted: int) -> list:
        records = await self.records("observations.v1", wanted)
        return [decode_observation(record.value) for record in records]


@pytest.fixture
async def vendors():
    fake = Vendors()
    server = HttpServer(fake.app, "127.0.0.1:0")
    task = asyncio.create_task(server.run())
    await server.started()
    fake.address = f"http://{server.address}"
    yield fake
    server.stop()
    await task


@pytest.fixture
def servers(bootstrap_servers, database_url, topic_prefix):
    """Where the session's Kafka and this test's database and topics are."""
    return bootstrap_servers, database_url, topic_prefix


@pytest.fixture
async def service(deployment, tmp_path, vendors, servers, kit):
    bootstrap_servers, database_url, topic_prefix = servers
    await ensure_topics(bootstrap_servers, topic_prefix)
    config = tmp_path / "plumbline.toml"
    api = f'\napi_base = "{vendors.address}"\nmode = "test"'
    config.write_text(config.read_text().replace('\nmode = "test"', api))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env = os.environ | {
        "PLUMBLINE_CONFIG": str(config),
        "PLUMBLINE_EDGE_LISTEN": f"127.0.0.1:{port}",
        "PLUMBLINE_HEALTH_LISTEN": "127.0.0.1:0",
        "PLUMBLINE_TOPIC_PREFIX": topic_prefix,
        "PLUMBLINE_CIRCUIT_RETRY_SECONDS": "0.5",
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
        "DATABASE_URL": database_url,
    }
    service = Service(
        env=env,
        port=port,
        bootstrap=bootstrap_servers,
        prefix=topic_prefix,
        database_url=database_url,
        kit=kit,
    )
    await service.start()
    yield service
    await service.stop()
    await service.http.aclose()


async def test_what_vendors_say_becomes_observations(service, vendors, kit):
    """Events, coalesced reads, echoes, thin events, refresh: all in one run of the process."""
    await service.execute("drop schema if exists writeback cascade")
    await service.execute("create schema writeback")
    await service.execute(
        """
        create table writeback.desired_values as
        select 'acme' as workspace, 'crm' as connection, '7' as vendor_id,
               '{"plumbline_mrr": "83.33"}'::jsonb as properties
        """
    )
    vendors.add_company("100")
    vendors.customers["cus_2"] = kit.stripe_event()["data"]["object"] | {"id": "cus_2"}
    assert await service.stripe(kit.dumps(kit.stripe_event())) == 200
    thin = {
        "id": "evt_thin",
        "object": "v2.core.event",
        "type": "v1.customer.updated",
        "created": "2026-11-20T12:00:00.000Z",
        "livemode": False,
        "related_object": {"id": "cus_2", "type": "customer", "url": "/v1/customers/cus_2"},
    }
    assert await service.stripe(kit.dumps(thin)) == 200
    for number in range(10):
        row = {"objectId": 100, "eventId": number, "propertyName": "domain"}
        assert await service.hubspot(row) == 200
    echo = {"objectId": 7, "propertyName": "plumbline_mrr", "propertyValue": "83.330"}
    assert await service.hubspot(echo, {"objectId": 404}) == 200
    found = {one.key: one for one in await service.observations(4)}
    assert found.keys() == {
        "acme/pay/customer/cus_1",
        "acme/pay/customer/cus_2",
        "acme/crm/company/100",
        "acme/crm/company/404",
    }
    assert found["acme/pay/customer/cus_2"].seen == "read"
    company = found["acme/crm/company/100"]
    assert company.body.domains == ("c100.example",)
    assert (company.seen, company.origin) == ("read", "webhook")
    assert found["acme/crm/company/404"].deleted
    assert sum("100" in call for call in vendors.calls) <= 2
    assert not any("batch 7" in call or ",7" in call for call in vendors.calls)
    row = await service.until_row("select sum(n) from ingest_webhooks.pending_reads")
    assert row[0] is None
    seen = await service.until_row(
        "select count(*) from ingest_webhooks.connections where last_event_at is not null"
    )
    assert seen[0] == 2


async def test_poison_is_set_aside_and_the_partition_goes_on(service, kit):
    live = kit.stripe_event(id="evt_live", livemode=True)
    live["data"]["object"]["livemode"] = True
    unknown = kit.stripe_event(id="evt_u", type="galaxy.exploded", data={"object": {"id": "g"}})
    poison = {
        "not_json": b"signed, not JSON",
        "not_an_event": b'{"hello": 1}',
        "too_deep": b"[" * 100_000 + b"]" * 100_000,
        "wrong_mode": kit.dumps(live),
    }
    for body in (*poison.values(), kit.dumps(unknown)):
        assert await service.stripe(body) == 200
    assert await service.hubspot({"portalId": 1}) == 200
    for number in range(30):
        event = kit.stripe_event(id=f"evt_{number}")
        event["data"]["object"]["id"] = f"cus_{number}"
        assert await service.stripe(kit.dumps(event)) == 200
    ids = {one.id for one in await service.observations(30)}
    assert ids == {f"cus_{number}" for number in range(30)}
    letters = await service.records("webhooks.received.v1.dlq", 5)
    by_reason = {dict(letter.headers)["dlq-reason"].decode(): letter.value for letter in letters}
    assert by_reason.keys() == {*poison, "wrong_account"}
    assert all(by_reason[reason] == body for reason, body in poison.items())


async def test_killed_and_restarted_it_loses_nothing(service, vendors, kit):
    vendors.status = 503
    vendors.add_company("5")
    assert await service.hubspot({"objectId": 5}) == 200
    for number in range(60):
        event = kit.stripe_event(id=f"evt_{number}")
        event["data"]["object"]["id"] = f"cus_{number}"
        assert await service.stripe(kit.dumps(event)) == 200
        if number == 30:
            await service.until_row("select 1 from ingest_webhooks.reads where attempts > 0")
    assert await service.stop(signal.SIGKILL) == -signal.SIGKILL
    vendors.status = 200
    await service.start()
    ids = {one.id for one in await service.observations(61)}
    assert ids == {"5", *(f"cus_{number}" for number in range(60))}


async def test_a_stop_is_clean_and_quick(service, kit):
    assert await service.stripe(kit.dumps(kit.stripe_event())) == 200
    ready = await service.http.get("/health/ready")
    assert ready.status_code == 503
    assert {gap["service"] for gap in ready.json()["missing"]} == {
        "matcher",
        "writeback",
        "reconciler",
    }
    await service.execute(
        """
        insert into runtime.heartbeats (service, instance, pid, ready, conditions, at)
        select service, '0', 1, true,
               (select jsonb_object_agg(name, '{"ok": true}'::jsonb) from unnest(names) as name),
               clock_timestamp() + interval '1 min'
        from (values ('matcher', array['consumer:matcher']),
                     ('writeback', array['consumer:writeback-accounts', 'consumer:writeback-crm',
                                         'crm_properties:acme/crm']),
                     ('reconciler', array['walks:acme/crm', 'walks:acme/pay']))
            as others(service, names)
        """
    )
    await asyncio.sleep(0.3)
    ready = await service.http.get("/health/ready")
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "missing": []})
    began = time.monotonic()
    assert await service.stop() == 0
    assert time.monotonic() - began < 20
    with contextlib.suppress(httpx.TransportError):
        assert (await service.http.get("/health/live")).status_code == 503


async def test_refused_credentials_stop_one_connection_only(service, vendors, kit):
    vendors.status = 401
    vendors.add_company("5")
    assert await service.hubspot({"objectId": 5}) == 200
    await service.until_row("select 1 from connection.circuits where state = 'open'")
    assert await service.stripe(kit.dumps(kit.stripe_event())) == 200
    assert [one.id for one in await service.observations(1)] == ["cus_1"]
    vendors.status = 200
    assert {one.id for one in await service.observations(2)} == {"cus_1", "5"}
    items = await service.records("attention.v1", 2)
    assert len(items) == 2


async def test_a_wrong_webhook_secret_needs_a_person_until_one_is_accepted(service, kit):
    item = "select 1 from runtime.attention where subject = 'pay/webhooks' and status = "
    body = kit.dumps(kit.stripe_event())
    for _ in range(20):
        wrong = kit.stripe_headers(body, secret="whsec_rotated")
        answer = await service.http.post("/webhooks/acme/pay", content=body, headers=wrong)
        assert answer.status_code == 400
    assert await service.until_row(f"{item} 'open'")
    assert await service.stripe(body) == 200
    assert await service.until_row(f"{item} 'closed'")
