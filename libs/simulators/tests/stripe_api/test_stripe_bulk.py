"""Seeding, touching, the running clock and the program itself."""

import asyncio
import json
import os
import signal
import sys
import time
from datetime import UTC, datetime

import httpx
import pytest
import stripe
from plumbline_simulators.stripe.simulator import StripeSettings, Webhook, stripe_simulator

KEY = "sk_test_contract_suite"
CATALOGUE = {
    "products": [{"id": "prod_pro", "name": "Pro"}],
    "prices": [
        {
            "id": "price_pro",
            "product": "prod_pro",
            "currency": "usd",
            "unit_amount": 4900,
            "recurring": {"interval": "month"},
        }
    ],
}


async def test_seeded_objects_stand_as_if_they_had_always_been_there(rig):
    created = 1735689600  # 2025-01-01
    customers = [
        {
            "id": "cus_seeded",
            "name": "Seeded",
            "created": created,
            "metadata": {"crm_id": "5"},
            "subscriptions": [
                {"id": "sub_seeded", "price": "price_pro", "quantity": 3},
                {"price": "price_pro", "status": "past_due"},
                {"price": "price_pro", "status": "canceled", "canceled_at": created + 999},
            ],
        }
    ]
    before = (await rig.control.get("/control/objects/event")).json()["count"]
    made = await rig.post("/control/seed", {**CATALOGUE, "customers": customers}, status=201)
    assert made["customers"][0]["id"] == "cus_seeded"
    assert (await rig.control.get("/control/objects/event")).json()["count"] == before
    read = await rig.call(rig.client.v1.subscriptions.retrieve, "sub_seeded")
    now = (await rig.control.get("/control/clock")).json()["epoch"]
    item = read["items"].data[0]
    assert item.current_period_start <= now < item.current_period_end
    assert (read.created, read.status, item.quantity) == (created, "active", 3)
    _, late, ended = made["customers"][0]["subscriptions"]
    invoice = await rig.latest_invoice(late)
    assert (await rig.status_of(late), invoice.status, invoice.attempted) == (
        "past_due",
        "open",
        True,
    )
    canceled = await rig.call(rig.client.v1.subscriptions.retrieve, ended)
    assert (canceled.status, canceled.ended_at) == ("canceled", created + 999)
    again = await rig.control.post("/control/seed", json=CATALOGUE)
    assert again.status_code == 400
    assert "already exists" in again.json()["error"]


async def test_a_touch_answers_the_final_truth(rig):
    customer = await rig.customer()
    names = [(await rig.subscription(customer)).id for _ in range(3)]
    answer = await rig.post("/control/touch", {"subscriptions": 3, "changes": 10, "log": True})
    assert answer["changed"] == 10
    assert set(answer["truth"]) == set(names)
    for name, truth in answer["truth"].items():
        read = await rig.call(rig.client.v1.subscriptions.retrieve, name)
        assert read["items"].data[0].quantity == truth["items"][0]["quantity"]
    event = await rig.call(rig.client.v1.events.retrieve, answer["log"][-1]["event"])
    assert event.type == "customer.subscription.updated"


async def test_twenty_thousand_customers_are_seeded_in_seconds():
    async with stripe_simulator(StripeSettings(api_keys=(KEY,), frozen=True)) as sim:
        customers = [
            {
                "name": f"Company {n}",
                "email": f"billing@company{n}.example",
                "subscriptions": [{"price": "price_pro", "quantity": n % 9 + 1}],
            }
            for n in range(20_000)
        ]
        began = time.monotonic()
        async with httpx.AsyncClient(base_url=sim.control_url, timeout=60) as http:
            answer = await http.post("/control/seed", json={**CATALOGUE, "customers": customers})
        assert answer.status_code == 201
        assert time.monotonic() - began < 15
        assert sim.state.ledger.store.count("subscription") == 20_000
        pages = sim.state.ledger.store.connection.execute("PRAGMA page_count").fetchone()[0]
        assert pages * 4096 < 80_000_000


async def test_a_running_clock_bills_by_itself():
    start = datetime(2026, 5, 1, tzinfo=UTC)
    async with stripe_simulator(StripeSettings(api_keys=(KEY,), start=start)) as sim:
        client = stripe.StripeClient(KEY, base_addresses={"api": sim.base_url})
        now = sim.state.clock.epoch()

        def prepare():
            client.v1.products.create({"id": "prod_pro", "name": "Pro"})
            price = client.v1.prices.create(
                {k: v for k, v in CATALOGUE["prices"][0].items() if k != "id"}
            )
            customer = client.v1.customers.create({"name": "Running"})
            return client.v1.subscriptions.create(
                {
                    "customer": customer.id,
                    "items": [{"price": price.id}],
                    "trial_end": now + 2,
                }
            )

        made = await asyncio.to_thread(prepare)
        assert made.status == "trialing"
        async with asyncio.timeout(5):
            while made.status != "active":
                await asyncio.sleep(0.1)
                made = await asyncio.to_thread(client.v1.subscriptions.retrieve, made.id)


async def test_deliveries_arrive_in_order_one_at_a_time_and_over_few_connections(receiver):
    webhook = Webhook(receiver.url, "whsec_ordered")
    settings = StripeSettings(api_keys=(KEY,), frozen=True, webhooks=(webhook,))
    async with stripe_simulator(settings) as sim:
        async with httpx.AsyncClient(base_url=sim.control_url) as http:
            seeded = {
                **CATALOGUE,
                "customers": [{"name": "A", "subscriptions": [{"price": "price_pro"}]}],
            }
            await http.post("/control/seed", json=seeded)
            await http.post("/control/touch", json={"subscriptions": 1, "changes": 300})
        bodies = await receiver.wait_for(300)
    quantities = [body["data"]["object"]["items"]["data"][0]["quantity"] for body in bodies]
    assert quantities[:20] == [n % 50 + 1 for n in range(1, 21)]
    assert len(receiver.connections) <= 32


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_program_says_where_it_is_and_ends_on_a_signal(number, tmp_path):
    seed_file = tmp_path / "seed.json"
    seed_file.write_text(json.dumps(CATALOGUE))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "plumbline_simulators.stripe", "--frozen", "--start", "2026-03-01T00:00:00+00:00"),
        *("--api-key", KEY, "--seed-file", str(seed_file)),
        stdout=asyncio.subprocess.PIPE,
        env=dict(os.environ),
    )
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    words = dict(word.split("=") for word in line.split() if "=" in word)
    client = stripe.StripeClient(KEY, base_addresses={"api": words["api"]})
    price = await asyncio.to_thread(client.v1.prices.retrieve, "price_pro")
    assert price.unit_amount == 4900
    process.send_signal(number)
    assert await asyncio.wait_for(process.wait(), 5) == 0


async def test_the_program_refuses_what_it_cannot_do():
    for arguments, word in (
        (["--webhook-url", "http://127.0.0.1:1/"], "--webhook-secret"),
        (["--start", "yesterday"], "ISO instant"),
    ):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "plumbline_simulators.stripe",
            *arguments,
            stderr=asyncio.subprocess.PIPE,
        )
        _, complaint = await process.communicate()
        assert process.returncode == 2
        assert word in complaint.decode()
