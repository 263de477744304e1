"""Which account credentials open, against the simulated vendors."""

from typing import Any

import pytest
from plumbline_connectors.accounts import AccountCheck
from plumbline_connectors.hubspot.client import HubSpotClient, OAuthGrant, open_hubspot
from plumbline_connectors.hubspot.layouts import Layout
from plumbline_connectors.stripe.client import StripeClient, mode_of_key, open_stripe
from plumbline_schemas.errors import Unauthorized
from plumbline_simulators.hubspot.simulator import hubspot_simulator
from plumbline_simulators.stripe.simulator import StripeSettings, stripe_simulator


async def nothing() -> None:
    """Calls are free."""


async def asked(client: StripeClient | HubSpotClient) -> Any:
    try:
        return await client.account()
    finally:
        await client.aclose()


@pytest.mark.parametrize(
    ("key", "mode"),
    [("rk_test_1", "test"), ("sk_live_1", "live"), ("rk_live_1", "live"), ("mk_1", None)],
)
def test_a_key_tells_its_mode_by_its_prefix(key: str, mode: str | None) -> None:
    assert mode_of_key(key) == mode


async def test_a_stripe_key_tells_account_and_mode() -> None:
    settings = StripeSettings(api_keys=("rk_test_1", "odd_key"), account_id="acct_9")
    async with stripe_simulator(settings) as stripe:
        for key, mode in (("rk_test_1", "test"), ("odd_key", None)):
            client = open_stripe(api_base=stripe.base_url, api_key=key, where="t")
            assert tuple(await asked(client)) == ("acct_9", mode, None)
        with pytest.raises(Unauthorized):
            await asked(open_stripe(api_base=stripe.base_url, api_key="rk_test_2", where="t"))


async def test_a_restricted_key_without_that_permission_leaves_the_account_open() -> None:
    settings = StripeSettings(api_keys=("rk_test_1",), permissions={"account": "none"})
    async with stripe_simulator(settings) as stripe:
        client = open_stripe(api_base=stripe.base_url, api_key="rk_test_1", where="t")
        assert tuple(await asked(client)) == (None, "test", None)
    settings = StripeSettings(
        api_keys=("rk_test_1",), permissions={"account": "none", "products": "none"}
    )
    async with stripe_simulator(settings) as stripe:
        client = open_stripe(api_base=stripe.base_url, api_key="rk_1", where="t")
        with pytest.raises(Unauthorized):
            await asked(client)


@pytest.mark.parametrize("layout", ["v3", "2026-03"])
async def test_a_hubspot_token_tells_its_portal(layout: Layout) -> None:
    async with hubspot_simulator(portal_id=99) as hubspot:
        for token in ("pat-na1-simulated", "pat-na1-other"):
            client = open_hubspot(
                api_base=hubspot.base_url, layout=layout, where="t", access_token=token
            )
            if token == "pat-na1-simulated":
                assert tuple(await asked(client)) == ("99", None, "UTC")
                continue
            with pytest.raises(Unauthorized):
                await asked(client)
        hubspot.state.tokens.scopes_missing.add("account-info")
        client = open_hubspot(
            api_base=hubspot.base_url, layout=layout, where="t", access_token="pat-na1-simulated"
        )
        assert tuple(await asked(client)) == (None, None, None)


async def test_new_secrets_are_called_with_once_they_were_found_good() -> None:
    async with hubspot_simulator() as hubspot:
        tokens = ["pat-na1-revoked"]

        def fresh() -> HubSpotClient:
            return open_hubspot(
                api_base=hubspot.base_url, layout="v3", where="t", access_token=tokens[-1]
            )

        working = fresh()
        check = AccountCheck(working, fresh, nothing)
        with pytest.raises(Unauthorized):
            await check.look()
        assert not await check.adopt()
        tokens.append("pat-na1-simulated")
        assert (await check.look()).account_id == "4242"
        await check.drop()
        with pytest.raises(Unauthorized):
            await working.page("company", after=None, properties=[])
        await check.look()
        assert await check.adopt()
        assert (await working.page("company", after=None, properties=[])).rows == []
        await check.look()
        assert not await check.adopt(), "they are ours already"
        await working.aclose()


async def test_a_new_grant_replaces_the_old_one() -> None:
    async with hubspot_simulator() as hubspot:
        hubspot.state.tokens.refresh |= {"first", "second"}
        grants = ["first"]

        def fresh() -> HubSpotClient:
            grant = OAuthGrant("app", "simulated-client-secret", grants[-1])
            return open_hubspot(api_base=hubspot.base_url, layout="v3", where="t", oauth=grant)

        working = fresh()
        check = AccountCheck(working, fresh, nothing)
        await check.look()
        assert not await check.adopt()
        hubspot.state.tokens.revoke("first")
        hubspot.state.tokens.expire()
        grants.append("second")
        await check.look()
        assert await check.adopt()
        assert (await working.page("company", after=None, properties=[])).rows == []
        await working.aclose()
