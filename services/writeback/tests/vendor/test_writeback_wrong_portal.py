"""The token of another HubSpot portal is put in: nothing is written there, nothing is lost."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from plumbline_connectors.accounts import AccountCheck
from plumbline_connectors.hubspot.client import HubSpotClient, open_hubspot
from plumbline_simulators.hubspot.simulator import hubspot_simulator
from writeback.crm import HubSpotCrm

pytestmark = pytest.mark.server


async def test_nothing_is_written_to_another_portal(portal: Any, tmp_path: Path) -> None:
    async def nothing() -> None:
        """Calls are free."""

    async with hubspot_simulator(portal_id=9999, access_token="pat-na1-theirs") as other:
        place, token = tmp_path / "place", tmp_path / "token"

        def put_in(base: str, secret: str) -> None:
            place.write_text(base)
            token.write_text(secret)

        def fresh() -> HubSpotClient:
            return open_hubspot(
                api_base=place.read_text(), layout="v3", where="acme/hubspot",
                access_token=token.read_text(), timeout_seconds=0.4,
            )  # fmt: skip

        put_in(portal.hubspot.base_url, "pat-na1-simulated")
        working = fresh()
        portal.world.crm, portal.world.account = (
            HubSpotCrm(working, portal.world.kinds),
            AccountCheck(working, fresh, nothing),
        )
        for number in (1, 2, 3):
            other.state.of("companies").create({"name": "Theirs"}, portal.person, str(number))
        await portal.opened(3)
        await portal.want(7, 1, 2, 3)
        await portal.world.settle()
        await portal.world.stop()

        portal.hubspot.state.tokens.revoke("pat-na1-simulated")
        put_in(other.base_url, "pat-na1-theirs")
        await portal.want(8, 1, 2, 3, version=2)
        await portal.world.start()
        item = ("wrong_account", "hubspot")
        async with asyncio.timeout(10):
            while (await portal.world.attention()).get(item) != "open":
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.5)
        assert {call["path"] for call in other.state.calls.calls()} == {"/account-info/v3/details"}
        assert portal.held(1, 2, 3) == {"7"}
        assert await portal.world.counts() == {"pending": 3}

        portal.hubspot.state.tokens.static.add("pat-na1-rotated")
        put_in(portal.hubspot.base_url, "pat-na1-rotated")
        await portal.world.settle()
        assert portal.held(1, 2, 3) == {"8"}
        assert (await portal.world.attention())[item] == "closed"
        assert (
            await portal.world.pool.fetchval("select max(row_failures) from writeback.effects") == 0
        )
        await portal.world.stop()
        await working.aclose()
