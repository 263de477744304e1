"""Poison at the edge and in Kafka, and what a person does about it with the command."""

import json
import time
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

pytestmark = pytest.mark.server

RAW = "webhooks.received.v1"
LETTERS = f"{RAW}.dlq"


def event(**changes: Any) -> bytes:
    made = {
        "id": "evt_odd", "object": "event", "api_version": "2025-06-30.basil", "livemode": False,
        "created": int(time.time()), "type": "customer.updated",
        "data": {"object": {"id": "cus_odd", "object": "customer", "livemode": False,
                            "created": 1, "email": "a@odd.example", "name": "Odd"}},
    }  # fmt: skip
    return json.dumps(made | changes).encode()


async def dlq(world: Any, *arguments: str, code: int = 0) -> dict[str, Any]:
    done = await world.run("dlq", *arguments, "--json")
    assert done.returncode == code, done.stderr + done.stdout
    return dict(json.loads(done.stdout)) if done.stdout else {}


async def open_letters(world: Any) -> int:
    return sum((await world.status())["dead_letters"].values())


async def kinds(world: Any) -> list[dict[str, Any]]:
    done = await world.run("attention", "list", "--kind", "dead_letter", "--json")
    return list(json.loads(done.stdout)["items"])


async def clean(world: Any) -> None:
    """Nothing is open in a deployment that several tests share."""
    ids = [one["id"] for one in (await dlq(world, "list", "--limit", "1000"))["letters"]]
    if ids:
        await dlq(world, "discard", *ids, "--reason", "not of this test")

    async def none() -> bool:
        return await open_letters(world) == 0 and not await kinds(world)

    await world.until(none, 30)


async def in_kafka(world: Any, topic: str, key: bytes, value: bytes, headers: Any) -> None:
    run = json.loads((world.folder / "home" / "run.json").read_text())
    producer = AIOKafkaProducer(bootstrap_servers=run["kafka"]["bootstrap_servers"])
    await producer.start()
    try:
        await producer.send_and_wait(topic, value, key, headers=headers)
    finally:
        await producer.stop()


@pytest.mark.timeout(420)  # three dozen commands
async def test_every_kind_of_poison_is_listed_shown_and_answered(world: Any) -> None:
    await clean(world)  # of what other files' tests left to a deployment they share
    try:
        assert await world.post(b'{"id": "evt_cut", "object": ') == 200
        assert await world.post(event(id="evt_live", livemode=True)) == 200
        assert (
            await world.post(b'{"text": "\x1b[31mred\x07 [bold]x[/bold] sk_test_abcdef123456"')
            == 200
        )
        assert await world.post(b" " * 5_000_000) == 413
        odd = [("null", None), ("binary", b"\xff\xfe\x00")]
        await in_kafka(world, RAW, b"\xff\x00", b"[1]", odd)
        wish = b'{"key": "acme/billing-eu/customer/a\\u0000b", "reason": "x"}'
        await in_kafka(world, "refresh.requests.v1", b"k", wish, [])
        await in_kafka(world, "observations.v1", b"acme/crm_main/company/1", b'{"kind":"v9"}', [])
        # Matcher and writeback both read the log: one of them writes the letter.
        await world.until(lambda: _are_open(world, 6), 40, lambda: "six open letters")

        found = await dlq(world, "list")
        assert found["open"] == len(found["letters"]) == 6
        newest = [one["last_failed_at"] for one in found["letters"]]
        assert newest == sorted(newest, reverse=True)
        reasons = {one["reason"] for one in found["letters"] if one["topic"] == LETTERS}
        assert {"not_json", "wrong_mode"} <= reasons
        await world.until(lambda: _items(world), 20)
        items = {one["subject"]: one for one in await kinds(world)}
        item = items[f"{RAW}/billing-eu/not_json"]
        assert item["details"]["letters"] == 2
        assert item["details"]["example"].startswith(LETTERS)
        assert (await world.status())["attention_kinds"]["dead_letter"] == len(items)

        named = {one["id"]: one for one in found["letters"]}
        [red] = [key for key, one in named.items() if one["reason"] == "not_json"][:1]
        shown = await dlq(world, "show", red, "--body")
        assert shown["letter"] == named[red]
        human = (await world.run("dlq", "show", red, "--body")).stdout
        assert not set(human) & {"\x1b", "\x07", "\0", "\x9b"}
        assert "[bold]x[/bold]" in human
        assert "sk_test_abcdef123456" not in human + shown["body"]
        [odd_one] = [
            key
            for key, one in named.items()
            if one["key"] not in {None, ""} and "\ufffd" in one["key"]
        ]
        shown = await dlq(world, "show", odd_one, "--body")
        assert {"name": "null", "value": None} in shown["headers"]
        assert shown["body"] == "[1]"

        live = await dlq(world, "list", "--reason", "wrong_mode", "--connection", "billing-eu")
        [wrong] = live["letters"]
        done = await dlq(world, "discard", wrong["id"], "--reason", "a live event")
        assert done["letters"] == [wrong["id"]]
        again = await dlq(world, "discard", wrong["id"], "--reason", "twice")
        assert (again["letters"], again["already"]) == ([], [wrong["id"]])
        shown = (await dlq(world, "show", wrong["id"]))["letter"]
        assert (shown["status"], shown["note"]) == ("discarded", "a live event")
        await world.until(lambda: _are_open(world, 5), 20)

        [cut] = [one for one in found["letters"] if one["error"] and one["reason"] == "not_json"][
            -1:
        ]
        await dlq(world, "replay", cut["id"])
        await world.until(lambda: _failed_again(world, cut), 30)
        again = await dlq(world, "replay", cut["id"])
        assert (again["letters"], again["already"]) == ([], [cut["id"]])
    finally:
        await clean(world)


async def test_what_is_not_there_and_what_is_no_id(world: Any) -> None:
    assert (await world.run("dlq", "show", f"{LETTERS}/0/999999")).returncode == 1
    assert (await world.run("dlq", "show", "nonsense")).returncode == 2
    assert (await world.run("dlq", "replay")).returncode == 2
    assert (await world.run("dlq", "discard", f"{LETTERS}/0/1")).returncode == 2


async def test_a_replayed_older_record_overwrites_nothing_newer(world: Any) -> None:
    """A letter holds an older sight of a subscription; replaying it twice changes no value."""
    await clean(world)
    try:
        number = await world.company("Letters", "letters.example")
        customer = await world.customer("ap@letters.example", "price_yearly")
        await world.shows(number, mrr="83.33")
        found = await world.stripe_api("GET", f"/v1/subscriptions?customer={customer}")
        old = event(
            id="evt_older",
            type="customer.subscription.updated",
            created=int(time.time()) - 3600,
            data={"object": {**found["data"][0], "status": "past_due"}},
        )
        headers = [
            ("plumbline-workspace", b"acme"), ("plumbline-connection", b"billing-eu"),
            ("plumbline-vendor", b"stripe"),
            ("plumbline-received-at", str(int(time.time() * 1000)).encode()),
        ]  # fmt: skip
        letter = [*headers, ("dlq-reason", b"unhandled"), ("dlq-offset", b"0")]
        await in_kafka(world, LETTERS, f"acme/billing-eu/customer/{customer}".encode(), old, letter)
        await world.until(lambda: _are_open(world, 1), 20)
        done = await dlq(world, "replay", "--all")
        assert len(done["letters"]) == 1
        await world.until(lambda: _are_open(world, 0), 20)
        assert (await dlq(world, "replay", "--all"))["letters"] == []
        await world.settled()
        assert (world.shown(number)["mrr"], world.shown(number)["state"]) == ("83.33", "active")
    finally:
        await clean(world)


async def _are_open(world: Any, count: int) -> bool:
    return await open_letters(world) == count


async def _items(world: Any) -> bool:
    return sum(one["details"]["letters"] for one in await kinds(world)) == 6


async def _failed_again(world: Any, first: dict[str, Any]) -> bool:
    letters = (await dlq(world, "list"))["letters"]
    linked = [one for one in letters if one["first"] == first["id"]]
    return [one["attempts"] for one in linked] == [first["attempts"] + 1]
