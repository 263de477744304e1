"""The balancer of the rolling restart: each instance is asked once, whoever else asks meanwhile."""

import asyncio
from typing import Any

import httpx

from tests.chaos.balancer import Balancer

AWAY, THERE = "http://a.example", "http://b.example"
SCOPE: dict[str, Any] = {
    "type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": [],
}  # fmt: skip


async def _deliver(balancer: Balancer) -> None:
    async def receive() -> dict[str, Any]:
        return {"body": b"{}", "more_body": False}

    async def send(_: Any) -> None:
        return None

    await balancer(SCOPE, receive, send)


async def _balanced(error: type[httpx.TransportError]) -> Balancer:
    async def instance(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        if str(request.url).startswith(AWAY):
            raise error("gone")
        return httpx.Response(200)

    async with httpx.AsyncClient(transport=httpx.MockTransport(instance)) as client:
        balancer = Balancer(client, [AWAY, THERE])
        await asyncio.gather(*(_deliver(balancer) for _ in range(50)))
    return balancer


async def test_requests_beside_each_other_all_reach_the_instance_that_is_there() -> None:
    balancer = await _balanced(httpx.ConnectError)
    assert balancer.statuses == {200: 50}
    assert balancer.turned_away == 25


async def test_a_request_that_was_cut_off_goes_to_the_next() -> None:
    balancer = await _balanced(httpx.ReadError)
    assert balancer.statuses == {200: 50}
    assert not balancer.strange()
