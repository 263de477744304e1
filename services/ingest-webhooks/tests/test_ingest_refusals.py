"""A secret that is not the vendor's any more: told once, and over with the next accepted one."""

import asyncio

import httpx
import pytest
from ingest_webhooks.edge import Edge
from ingest_webhooks.endpoints import endpoints
from ingest_webhooks.refusals import RefusalWatch, Tally
from ingest_webhooks.settings import IngestSettings
from plumbline_runtime.postgres import create_pool

pytestmark = pytest.mark.server

STRIPE = "/webhooks/acme/pay"


class Post:
    """An edge, its watch, and the vendor's posts."""

    def __init__(self, deployment, publisher, pool, kit) -> None:
        settings = IngestSettings()
        tally = Tally()
        self.kit = kit
        self.pool = pool
        self.woken = 0
        edge = Edge(
            endpoints(deployment, public_url=kit.public_url, tolerance_seconds=300),
            publisher,
            kit.readiness(),
            settings,
            stopping=lambda: False,
            tally=tally,
        )
        transport = httpx.ASGITransport(app=edge)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://edge.example")
        self.watch = self.life(tally)

    def life(self, tally: Tally) -> RefusalWatch:
        """A watch, as after a restart."""
        self.tally = tally

        def wake() -> None:
            self.woken += 1

        return RefusalWatch(tally, self.pool, IngestSettings(), stopping=asyncio.Event(), wake=wake)

    async def send(self, times: int, **signed: str) -> None:
        body = self.kit.dumps(self.kit.stripe_event())
        for _ in range(times):
            headers = self.kit.stripe_headers(body, **signed)
            await self.http.post(STRIPE, content=body, headers=headers)

    async def item(self) -> str | None:
        return await self.pool.fetchval(
            """select status from runtime.attention where workspace = 'acme'
               and kind = 'connection_refused' and subject = 'pay/webhooks'"""
        )


@pytest.fixture
async def post(deployment, publisher, database_url, kit):
    pool = await create_pool(database_url)
    made = Post(deployment, publisher, pool, kit)
    yield made
    await made.http.aclose()
    await pool.close()


async def test_twenty_in_a_row_are_told_and_the_next_accepted_one_ends_it(post):
    await post.send(19, secret="whsec_wrong")
    await post.watch.look(0.0)
    assert await post.item() is None
    await post.send(1, secret="whsec_wrong")
    await post.watch.look(10.0)
    assert (await post.item(), post.woken) == ("open", 1)
    await post.send(30, secret="whsec_wrong")
    await post.watch.look(20.0)
    assert post.woken == 1
    await post.send(1)
    await post.watch.look(30.0)
    assert (await post.item(), post.woken) == ("closed", 2)


async def test_none_is_told_while_others_are_accepted_or_when_they_trickle(post):
    await post.send(1)
    await post.send(40, secret="whsec_wrong")
    await post.watch.look(0.0)
    assert await post.item() is None
    await post.send(19, secret="whsec_wrong")
    await post.watch.look(400.0)
    await post.send(19, secret="whsec_wrong")
    await post.watch.look(800.0)
    assert await post.item() is None


async def test_refusals_that_go_on_after_a_rotation_are_told_within_the_window(post):
    await post.send(1)
    await post.watch.look(0.0)
    for minute in range(1, 6):
        await post.send(5, secret="whsec_wrong")
        await post.watch.look(minute * 60.0)
        assert (await post.item() == "open") == (minute == 5)


async def test_an_item_of_an_earlier_life_is_closed(post):
    await post.send(20, secret="whsec_wrong")
    await post.watch.look(0.0)
    assert await post.item() == "open"
    again = post.life(post.tally)
    await post.send(1)
    await again.look(0.0)
    assert await post.item() == "closed"
