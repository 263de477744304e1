"""The address that listens before its service can work."""

import asyncio
import time

import httpx
from plumbline_runtime.doorway import PATIENCE, Doorway, quiet


def client_of(doorway: Doorway) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=doorway)
    return httpx.AsyncClient(transport=transport, base_url="http://edge.example")


async def test_it_says_503_what_is_missing_and_when_to_come_back():
    missing = ["database", "kafka"]
    async with client_of(Doorway("ingest-webhooks", lambda: missing)) as client:
        answer = await client.post("/webhooks/acme/stripe", content=b"{}")
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        assert answer.json() == {
            "error": "ingest-webhooks waits for database, kafka, send it again"
        }
        ready = await client.get("/health/ready")
        assert ready.status_code == 503
        assert [one["missing"] for one in ready.json()["missing"]] == missing
        assert (await client.get("/health/live")).status_code == 200


async def test_the_app_behind_it_answers_as_soon_as_it_is_there():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    doorway = Doorway("ingest-webhooks", list)
    async with client_of(doorway) as client:
        assert (await client.post("/webhooks/acme/stripe")).status_code == 503
        doorway.open(app)
        assert (await client.post("/webhooks/acme/stripe")).status_code == 204


async def waited(path: str, seconds: float, *, times: int = 1_000_000, every: float) -> float:
    """How long quiet took while a path was asked so often."""
    doorway = Doorway("ingest-webhooks", list)
    async with client_of(doorway) as client:

        async def ask() -> None:
            for _ in range(times):
                await asyncio.sleep(every)
                await client.get(path)

        asks = asyncio.create_task(ask())
        began = time.monotonic()
        async with asyncio.timeout(10):
            await quiet([doorway], seconds)
        took = time.monotonic() - began
        asks.cancel()
    return took


async def test_quiet_begins_when_the_last_delivery_has_come():
    assert await waited("/webhooks/acme/stripe", 0.3, times=3, every=0.1) >= 0.6


async def test_health_is_asked_all_the_time_and_disturbs_no_quiet():
    assert 1 <= await waited("/health/ready", 1, every=0.01) < PATIENCE


async def test_whoever_never_stops_is_waited_for_three_times_as_long():
    assert await waited("/webhooks/acme/stripe", 0.1, every=0.01) >= 0.3
