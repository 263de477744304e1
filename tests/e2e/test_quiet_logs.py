"""The logs of a whole run, failures included: no secret, no person, no body (engineering 8)."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.server, pytest.mark.timeout(240)]
SERVICES = ("ingest-webhooks", "matcher", "writeback", "reconciler")
SECRETS = ("sk_test_e2e", "whsec_e2e", "pat-na1-e2e", "e2e-client-secret")
PEOPLE = ("Zerlina Quux", "Quuxworks", "quuxworks.example", "@")
VENDOR_WORDS = "Zerlina Quux <zerlina@quuxworks.example> owes 4711 to Quuxworks"
BODY = "zz-body-fragment"
ALWAYS = {"event", "level", "service", "version", "instance", "ts"}


@pytest.fixture(scope="module")
async def told(
    opened: Any, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Any, dict[str, list[dict[str, Any]]]]]:
    """A run with everything that makes services talk, and what they said."""
    async with opened(tmp_path_factory.mktemp("told"), first_write="auto") as world:
        await world.settled()
        company = await world.company("Quuxworks", "quuxworks.example")
        await world.settled()
        await misbehave(world)
        await world.customer("zerlina@quuxworks.example", "price_monthly", name="Zerlina Quux")
        # A refused token is tried again after half a minute.
        await world.until(lambda: world.shown(company).get("mrr") == "49", 90)
        await world.settled()
        await cut_the_database(world)
        await world.settled()
        await world.stop()
        yield world, {name: lines_of(world, name) for name in SERVICES}


async def misbehave(world: Any) -> None:
    """Refused deliveries, dead letters, and a vendor whose errors quote what we sent."""
    assert await world.post(f'{{"a":"{BODY}"}}'.encode(), stripe_signature="t=1,v1=ff") == 400
    assert await world.post(f"{BODY} is no JSON".encode()) == 200
    event = {
        "id": "evt_odd", "object": "event", "type": "customer.updated", "livemode": False,
        "created": 1_700_000_000, "api_version": "2024-06-20",
        "data": {"object": {"id": "cus_odd", "object": "customer", "email": 7, "name": BODY}},
    }  # fmt: skip
    assert await world.post(json.dumps(event).encode()) == 200
    error = json.dumps({"status": "error", "category": "ODD", "message": VENDOR_WORDS})
    for number, status in enumerate((500, 429, 401, 400)):
        rule = {
            "path": "batch/(update|read)", "times": 1, "skip": number,
            "action": {"kind": "status", "status": status, "body": error},
        }  # fmt: skip
        await world.hubspot_control("/faults", rule)
    words = json.dumps({"error": {"message": VENDOR_WORDS, "type": "api_error"}})
    rule = {"path": "/v1/", "method": "GET", "times": 1,
            "action": {"kind": "status", "status": 500, "body": words}}  # fmt: skip
    await world.stripe_control("/faults", rule)


async def cut_the_database(world: Any) -> None:
    """kill -9 of PostgreSQL: libraries complain, everything comes back."""
    import psutil

    run = json.loads((world.folder / "home" / "run.json").read_text())
    psutil.Process(run["postgres"]["pid"]).kill()
    before = run["postgres"]["pid"]

    def back() -> bool:
        now = json.loads((world.folder / "home" / "run.json").read_text())
        return now["postgres"]["pid"] not in (None, before)

    await world.until(back, 60)
    await world.until(world.ready, 60)


def lines_of(world: Any, service: str) -> list[dict[str, Any]]:
    log: Path = world.folder / "home" / "logs" / f"{service}.log"
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if line]


def all_lines(lines: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [line for some in lines.values() for line in some]


async def test_no_secret_no_person_no_body(told: Any) -> None:
    world, _ = told
    logs = sorted((world.folder / "home" / "logs").glob("*.log"))
    assert {log.stem for log in logs} >= {*SERVICES, "kafka", "postgres"}
    for log in logs:
        text = log.read_text(encoding="utf-8")
        for word in (*SECRETS, *PEOPLE, BODY, "4711", "someone@", "Company 90", "Traceback"):
            found = [line for line in text.splitlines() if word in line]
            assert not found, f"{log.name}: {word}: {found[0]}"


async def test_the_command_itself_prints_none_either(told: Any) -> None:
    world, _ = told
    text = (world.folder / "up.log").read_text(encoding="utf-8")
    assert not [word for word in (*SECRETS, *PEOPLE, BODY) if word in text]


async def test_every_line_says_when_who_and_what(told: Any) -> None:
    _, lines = told
    for line in all_lines(lines):
        assert line.keys() >= ALWAYS, line
        assert line["ts"].endswith("Z")
        assert line["event"] == line["event"].lower()


async def test_one_line_for_every_batch(told: Any) -> None:
    _, lines = told
    wanted = {"group", "topic", "records", "duration_ms", "trace_ids"}
    places = ({"partition", "first_offset", "last_offset"}, {"partitions"})
    for service, groups in (
        ("ingest-webhooks", {"observe"}),
        ("matcher", {"matcher"}),
        ("writeback", {"writeback-crm", "writeback-accounts"}),
    ):
        batches = [line for line in lines[service] if line["event"] == "batch_handled"]
        assert {line["group"] for line in batches} >= groups
        assert all(line.keys() >= wanted for line in batches)
        assert all(any(line.keys() >= place for place in places) for line in batches)


async def test_failures_are_told(told: Any) -> None:
    """The run was not quiet because nothing happened."""
    _, lines = told
    events = {line["event"] for line in all_lines(lines)}
    assert events >= {"webhook_refused", "dead_letter", "crm_call_failed", "connection_closed_off"}
    errors = " ".join(str(line.get("error", "")) for line in all_lines(lines))
    assert "HTTP 500" in errors
    assert "HTTP 401" in errors


async def test_one_event_is_followed_by_its_trace(told: Any) -> None:
    """From the delivery through the log and the account to the write in the CRM."""
    _, lines = told
    written = [
        line
        for line in lines["writeback"]
        if line["event"] == "effect_tried" and line["result"] == "written" and line["trace_id"]
    ]
    trace = written[-1]["trace_id"]

    def groups(service: str) -> set[str]:
        return {
            line["group"]
            for line in lines[service]
            if line["event"] == "batch_handled" and trace in line["trace_ids"]
        }

    assert groups("ingest-webhooks") == {"observe"}
    assert groups("matcher") == {"matcher"}
    assert "writeback-accounts" in groups("writeback")
    assert written[-1]["e2e_ms"] > 0
    assert written[-1]["duration_ms"] >= 0
