"""The balancer of the rolling restart: nothing is sent twice, who is away is passed over."""

import asyncio
from typing import Any

import httpx

from tests.chaos.balancer import DRAINING, Balancer

LEAVING, THERE = "http://a.example", "http://b.example"
SCOPE: dict[str, Any] = {
    "type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": [],
}  # fmt: skip


async def _deliver(balancer: Balancer) -> None:
    async def receive() -> dict[str, Any]:
        return {"body": b"{}", "more_body": False}

    async def send(_: Any) -> None:
        return None

    await balancer(SCOPE, receive, send)


def _balancer(leaving: httpx.Response | httpx.TransportError) -> Balancer:
    async def instance(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        if not str(request.url).startswith(LEAVING):
            return httpx.Response(200)
        if isinstance(leaving, httpx.TransportError):
            raise leaving
        return leaving

    client = httpx.AsyncClient(transport=httpx.MockTransport(instance))
    return Balancer(client, [LEAVING, THERE])


async def test_an_instance_that_is_not_ready_gets_nothing() -> None:
    balancer = _balancer(httpx.ConnectError("gone"))
    await balancer.ask(LEAVING)
    await asyncio.gather(*(_deliver(balancer) for _ in range(50)))
    assert balancer.statuses == {200: 50}
    assert not balancer.broken
    assert balancer.passed_over


async def test_one_that_says_it_leaves_is_away_from_then_on() -> None:
    balancer = _balancer(httpx.Response(503, json={"error": DRAINING}))
    for _ in range(10):
        await _deliver(balancer)
    assert balancer.statuses == {200: 9, 503: 1}
    assert balancer.draining == 1
    assert not balancer.broken


async def test_a_connection_that_is_cut_off_is_told_and_not_tried_elsewhere() -> None:
    balancer = _balancer(httpx.ReadError("reset"))
    for _ in range(4):
        await _deliver(balancer)
    assert balancer.statuses == {200: 2, 503: 2}
    assert balancer.broken == {"ReadError": 2}
