"""Idempotency, rate limits and broken connections, as the official client meets them."""

import asyncio

import httpx
import pytest
import stripe
from plumbline_simulators.stripe.simulator import StripeSettings, stripe_simulator

KEY = "sk_test_contract_suite"


@pytest.fixture(autouse=True)
async def no_faults_left(rig):
    yield
    await rig.control.delete("/control/faults")


async def test_a_key_replays_the_first_result(rig):
    create = rig.client.v1.customers.create
    options = {"idempotency_key": "once-only"}
    first = await rig.call(create, {"name": "Once"}, options)
    second = await rig.call(create, {"name": "Once"}, options)
    assert second.id == first.id
    assert second.last_response.headers["idempotent-replayed"] == "true"
    with pytest.raises(stripe.IdempotencyError):
        await rig.call(create, {"name": "Other"}, options)
    await rig.advance(25 * 3600)
    third = await rig.call(create, {"name": "Other"}, options)
    assert third.id != first.id


async def test_refused_parameters_do_not_use_up_the_key(rig):
    options = {"idempotency_key": "corrected"}
    create = rig.client.v1.customers.create
    with pytest.raises(stripe.InvalidRequestError):
        await rig.call(create, {"nonsense": "1"}, options)
    assert (await rig.call(create, {"name": "Right"}, options)).name == "Right"


async def test_an_answer_lost_after_the_effect_is_not_a_second_effect(rig):
    await rig.post(
        "/control/faults",
        {"path": "^/v1/customers$", "method": "POST", "nth": 1, "action": "drop_after"},
        status=201,
    )
    made = await rig.call(rig.client.v1.customers.create, {"email": "lost@answer.example"})
    page = await rig.call(rig.client.v1.customers.list, {"email": "lost@answer.example"})
    assert [customer.id for customer in page.data] == [made.id]
    faults = (await rig.control.get("/control/faults")).json()["faults"]
    assert (faults[0]["matched"], faults[0]["fired"]) == (2, 1)
    calls = (await rig.control.get("/control/calls?path=^/v1/customers$")).json()["calls"]
    lost, again, _ = calls[-3:]
    assert (lost["status"], again["status"]) == (0, 200)
    assert lost["headers"]["idempotency-key"] == again["headers"]["idempotency-key"]
    assert "authorization" not in lost["headers"]


async def test_a_429_reaches_the_caller_and_a_503_is_retried(rig):
    limited = {
        "kind": "status",
        "status": 429,
        "headers": {"Stripe-Rate-Limited-Reason": "endpoint-rate"},
        "body": '{"error": {"type": "invalid_request_error", "code": "rate_limit"}}',
    }
    rule = {"path": "/v1/prices", "nth": 1, "action": limited}
    await rig.post("/control/faults", rule, status=201)
    with pytest.raises(stripe.RateLimitError) as refused:
        await rig.call(rig.client.v1.prices.list)
    assert refused.value.headers["stripe-rate-limited-reason"] == "endpoint-rate"
    await rig.call(rig.client.v1.prices.list)
    broken = {"path": "/v1/products", "nth": 1, "action": {"kind": "status", "status": 503}}
    await rig.post("/control/faults", broken, status=201)
    await rig.call(rig.client.v1.products.list)


async def test_truncated_dropped_and_slow_answers(rig):
    client = rig.another_client(max_network_retries=0)
    for kind in ("truncate", "drop_before"):
        rule = {"id": kind, "path": "/v1/coupons", "nth": 1, "action": kind}
        await rig.post("/control/faults", rule, status=201)
        with pytest.raises(stripe.APIConnectionError):
            await rig.call(client.v1.coupons.list)
        await rig.control.delete("/control/faults", params={"id": kind})
    await rig.post(
        "/control/faults",
        {"path": "/v1/coupons", "action": {"kind": "delay", "delay_seconds": 0.2}},
        status=201,
    )
    began = asyncio.get_running_loop().time()
    await rig.call(client.v1.coupons.list)
    assert asyncio.get_running_loop().time() - began >= 0.2


async def test_a_percentage_of_calls_fails_the_same_way_each_time(rig):
    async def outcomes():
        rule = {
            "id": "some",
            "path": "/v1/account",
            "percentage": 30,
            "seed": 7,
            "action": {"kind": "status", "status": 500},
        }
        await rig.post("/control/faults", rule, status=201)
        headers = {"Authorization": f"Bearer {KEY}"}
        async with httpx.AsyncClient(base_url=rig.sim.base_url, trust_env=False) as http:
            return [(await http.get("/v1/account", headers=headers)).status_code for _ in range(60)]

    first = await outcomes()
    assert 8 <= first.count(500) <= 30
    assert await outcomes() == first


async def test_the_rate_limit_counts_real_seconds():
    settings = StripeSettings(api_keys=(KEY,), rate_per_second=5)
    async with stripe_simulator(settings) as sim:
        client = stripe.StripeClient(KEY, base_addresses={"api": sim.base_url})

        def hammer():
            for _ in range(20):
                client.v1.customers.list()

        with pytest.raises(stripe.RateLimitError) as refused:
            await asyncio.to_thread(hammer)
        assert refused.value.headers["stripe-rate-limited-reason"] == "global-rate"
