"""Rows 17 and 18: deliveries that come often, in any order, or make no sense."""

import asyncio
import json
from typing import Any

from aiokafka import AIOKafkaProducer

from tests.chaos.registry import case
from tests.chaos.stage import FaultMissingError, Stage
from tests.chaos.vendors import STRIPE, WORKSPACE

TWICE_AS_LARGE_AS_ALLOWED = 5 * 1024 * 1024


@case("duplicates-shuffled", row="17", settle_seconds=30)
async def duplicates_shuffled(stage: Stage) -> None:
    """Every delivery five times, half of them overtaken, several changes in each second."""
    five_times = {"channel": "delivery", "action": {"kind": "duplicate", "copies": 4}}
    shuffled = {
        "channel": "delivery", "percentage": 50, "seed": stage.chance.randrange(10**6),
        "action": {"kind": "reorder", "behind": 8},
    }  # fmt: skip
    for control in (stage.vendors.stripe_control, stage.vendors.hubspot_control):
        await control("/faults", {"faults": [five_times, shuffled]})
    async with stage.traffic(10):
        burst = {"subscriptions": 8, "changes": 80, "per_second": 40}
        await stage.vendors.stripe_control("/touch", burst)


@case("redelivered-later", row="17")
async def redelivered_later(stage: Stage) -> None:
    """Old events again, under their own ids and as twins with new ones."""
    async with stage.traffic():
        await asyncio.sleep(1)
        done = await stage.vendors.stripe_control("/touch", {"changes": 5, "subscriptions": 5,
                                                             "log": True})  # fmt: skip
        await asyncio.sleep(1)
        for change in done["log"]:
            for again in ({"times": 2}, {"times": 1, "new_id": True}):
                await stage.vendors.stripe_control(f"/events/{change['event']}/redeliver", again)


@case("poison", row="18", soak=False)
async def poison(stage: Stage) -> None:
    """What makes no sense is dead-lettered once, is too large or is read as far as it goes."""
    async with stage.traffic():
        refused = await _emit(stage, " " * TWICE_AS_LARGE_AS_ALLOWED)
        if refused != 413:
            raise FaultMissingError(f"5 MB were answered {refused}")
        bodies: list[Any] = ["not json", "[]", {"object": "event"}, "[" * 5_000, "\x00"]
        for body in bodies:
            assert await _emit(stage, body) == 200
        records = await _produce(stage)
        await stage.vendors.stripe_api(
            "POST", "/v1/customers/cus_0001", {"name": "Nul in\x00side", "metadata[x]": "\x00"}
        )
        await asyncio.sleep(1)
    stage.course.letters_expected = len(bodies) + records


async def _emit(stage: Stage, body: Any) -> int:
    answers = (await stage.vendors.stripe_control("/emit", {"body": body}))["answers"]
    return int(answers[0]["status"])


async def _produce(stage: Stage) -> int:
    """Records no edge wrote; returns how many."""
    key = f"{WORKSPACE}/{STRIPE}/delivery/x".encode()
    odd = [("ce_id", b"\xff\xfe"), ("plumbline-vendor", None), ("plumbline-received-at", b"soon")]
    unknown = {"kind": "planet", "workspace": WORKSPACE, "connection": STRIPE, "id": "pluto"}
    records: list[tuple[str, bytes, bytes | None, list[tuple[str, Any]]]] = [
        ("webhooks.received.v1", key, b"{}", odd),
        ("webhooks.received.v1", key, None, []),
        ("observations.v1", key, json.dumps(unknown).encode(), odd),
        ("observations.v1", key, b"\x00\x01", [("schema", b"99")]),
    ]
    producer = AIOKafkaProducer(bootstrap_servers=stage.kafka)
    await producer.start()
    try:
        for topic, name, value, headers in records:
            await producer.send_and_wait(topic, value, key=name, headers=headers)
    finally:
        await producer.stop()
    return len(records)
