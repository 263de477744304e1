"""HubSpot over HTTP fails in every way it knows: right in the end, nothing lost or doubled."""

import asyncio
import itertools
import json
import math
import time
from typing import Any

import pytest
from plumbline_runtime.budget import Budget

pytestmark = pytest.mark.server

_LONG_AGO = "update writeback.records set seen_at = seen_at - interval '2 minutes'"


def _gone_wrong(portal: Any) -> list[int]:
    return [call["status"] for call in portal.calls() if call["status"] not in {200, 207}]


async def test_429_with_retry_after_is_honoured_and_stops_no_other_connection(
    portal: Any,
) -> None:
    await portal.opened(250)
    portal.fault("status", status=429, headers={"Retry-After": "1"}, body="{}")
    await portal.want(7, *range(1, 251))
    await portal.world.start()
    async with asyncio.timeout(5):
        while not _gone_wrong(portal):
            await asyncio.sleep(0.005)
    other = Budget(portal.world.pool, "acme", "other", rate_per_second=100, burst=10)
    began = time.perf_counter()
    await other.acquire("write")
    assert time.perf_counter() - began < 0.3
    await portal.world.settle()
    assert portal.held(*range(1, 251)) == {"7"}
    refused = next(c for c in portal.calls() if c["status"] == 429)
    later = [c for c in portal.calls("") if c["started_at"] > refused["started_at"] + 0.1]
    assert min(c["started_at"] for c in later) - refused["started_at"] >= 0.99
    assert set(portal.check_keys().values()) == {1}


async def test_429_without_retry_after_waits_by_its_policy(portal: Any) -> None:
    await portal.opened(3)
    limit = json.dumps({"errorType": "RATE_LIMIT", "policyName": "SECONDLY"})
    portal.fault("status", status=429, body=limit, times=2)
    await portal.want(7, 1, 2, 3)
    await portal.world.settle()
    times = [call["started_at"] for call in portal.calls()]
    assert len(times) == 3
    assert min(b - a for a, b in itertools.pairwise(times)) >= 0.99
    assert set(portal.check_keys().values()) == {1}


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("kind", ["status", "status_after"])
async def test_a_burst_of_server_errors(portal: Any, status: int, kind: str) -> None:
    await portal.opened(20)
    portal.fault(kind, status=status, times=5 if kind == "status" else 1)
    await portal.want(7, *range(1, 21))
    await portal.world.settle()
    assert portal.held(*range(1, 21)) == {"7"}
    assert _gone_wrong(portal) == [status] * (5 if kind == "status" else 1)
    assert set(portal.check_keys().values()) == {1}


@pytest.mark.parametrize("kind", ["drop_after", "truncate"])
async def test_an_applied_request_without_an_answer_is_not_applied_twice(
    portal: Any, kind: str
) -> None:
    await portal.opened(20)
    portal.fault(kind)
    await portal.want(7, *range(1, 21))
    await portal.world.settle()
    assert portal.held(*range(1, 21)) == {"7"}
    assert len(portal.calls()) == 1  # it was read back
    assert set(portal.check_keys().values()) == {1}


async def test_a_connection_cut_before_the_request_was_applied(portal: Any) -> None:
    await portal.opened(20)
    portal.fault("drop_before", times=2)
    await portal.want(7, *range(1, 21))
    await portal.world.settle()
    assert portal.held(*range(1, 21)) == {"7"}
    assert len(portal.calls()) == 3
    assert set(portal.check_keys().values()) == {1}


async def test_answers_slower_than_the_time_out(portal: Any) -> None:
    await portal.opened(20)
    portal.fault("delay", delay_seconds=1.0, times=2)
    await portal.want(7, *range(1, 21))
    await portal.world.settle()
    await asyncio.sleep(1.0)  # what was given up arrives now
    assert portal.held(*range(1, 21)) == {"7"}
    portal.check_keys()  # a body may have arrived twice, then it was the same


@pytest.mark.parametrize("category", ["VALIDATION_ERROR", "OBJECT_NOT_FOUND", "MISSING_SCOPES"])
async def test_207_with_rows_that_fail_for_good(portal: Any, category: str) -> None:
    await portal.opened(10)
    portal.refuse(category, 3, 4, times=99)
    await portal.want(7, *range(1, 11))
    await portal.world.settle()
    assert portal.held(3, 4) == {None}
    assert portal.held(1, 2, *range(5, 11)) == {"7"}
    assert await portal.world.counts() == {"failed": 2}
    open_ = [subject for (_, subject), status in (await portal.world.attention()).items()
             if status == "open"]  # fmt: skip
    assert open_ == ["acme/hubspot/company/3", "acme/hubspot/company/4"]
    assert len(portal.calls()) == 1
    portal.hubspot.state.row_faults.clear()
    await portal.want(8, 3, 4, version=2)
    await portal.world.settle()
    assert portal.held(3, 4) == {"8"}
    assert set((await portal.world.attention()).values()) == {"closed"}


@pytest.mark.parametrize("category", ["CONFLICT", "NEVER_HEARD_OF"])
async def test_207_with_rows_that_pass_or_become_attention(portal: Any, category: str) -> None:
    await portal.opened(10)
    portal.refuse(category, 3, times=2)
    portal.refuse(category, 4, times=99)
    await portal.want(7, *range(1, 11))
    await portal.world.settle()
    assert portal.held(3) == {"7"}
    assert await portal.world.counts() == {"failed": 1}
    assert (await portal.world.effect("4"))["row_failures"] == portal.world.settings.row_attempts
    assert set(portal.check_keys().values()) == {1}


async def test_rate_limited_rows_are_tried_for_as_long_as_it_takes(portal: Any) -> None:
    await portal.opened(10)
    portal.refuse("RATE_LIMITS", 4, times=8)
    assert portal.world.settings.row_attempts < 8
    await portal.want(7, *range(1, 11))
    await portal.world.settle()
    assert portal.held(*range(1, 11)) == {"7"}
    assert len(portal.calls()) == 9
    assert set(portal.check_keys().values()) == {1}


async def test_400_because_of_one_row_of_a_hundred(portal: Any) -> None:
    await portal.opened(100)
    portal.refuse("VALIDATION_ERROR", 41, times=999, whole=True)
    await portal.want(7, *range(1, 101))
    await portal.world.settle()
    assert portal.held(*(n for n in range(1, 101) if n != 41)) == {"7"}
    assert await portal.world.counts() == {"failed": 1}
    assert len(portal.calls()) <= 2 * math.ceil(math.log2(100)) + 1
    assert set(portal.check_keys().values()) == {1}


@pytest.mark.parametrize("status", [401, 403])
async def test_a_connection_that_refuses_us(portal: Any, status: int) -> None:
    await portal.opened(5)
    portal.fault("status", status=status, times=2)
    await portal.want(7, *range(1, 6))
    await portal.world.start()
    item = ("connection_refused", "hubspot")
    async with asyncio.timeout(5):
        while (await portal.world.attention()).get(item) != "open":
            await asyncio.sleep(0.01)
    assert await portal.world.counts() == {"pending": 5}
    await portal.world.settle()
    assert portal.held(*range(1, 6)) == {"7"}
    async with asyncio.timeout(5):
        while (await portal.world.attention())[item] != "closed":
            await asyncio.sleep(0.01)
    assert set(portal.check_keys().values()) == {1}


@pytest.mark.parametrize(
    "scope",
    ["crm.objects.contacts.write", "crm.objects.contacts.read", "crm.schemas.contacts.read"],
)
async def test_a_scope_that_is_missing_stops_its_kind_and_no_other(portal: Any, scope: str) -> None:
    await portal.opened(3)
    fields = {"company": {"mrr": "pl_mrr"}, "contact": {"mrr": "pl_mrr"}}
    await portal.world.observe(portal.world.config(fields=fields))
    contacts = portal.hubspot.state.of("contacts")
    contacts.create({"email": "kim@acme.example"}, portal.person, "900")
    portal.hubspot.state.tokens.scopes_missing = {scope}
    await portal.want(7, 1, 2)
    await portal.want(5, 9, links=[("contact", "900", 1)])
    await portal.world.start()
    await told(portal, scope, "open")
    await portal.want(8, 3)
    async with asyncio.timeout(5):
        while await portal.world.counts() != {"pending": 1}:
            await asyncio.sleep(0.01)
    assert (portal.held(1, 2), portal.held(3)) == ({"7"}, {"8"})
    assert ("connection_refused", "hubspot") not in await portal.world.attention()
    portal.hubspot.state.tokens.scopes_missing = set()
    await portal.world.settle()
    assert contacts.get("900")["properties"]["pl_mrr"] == "5"
    await told(portal, scope, "closed")


async def told(portal: Any, scope: str, status: str) -> None:
    async with asyncio.timeout(5):
        item = ("connection_refused", f"hubspot/{scope}")
        while (await portal.world.attention()).get(item) != status:
            await asyncio.sleep(0.01)


async def test_404_a_record_that_is_gone(portal: Any) -> None:
    from plumbline_simulators.hubspot.control_api import PERSON

    await portal.opened(5)
    portal.hubspot.state.of("companies").archive("3", PERSON)
    await portal.want(7, *range(1, 6))
    await portal.world.settle()
    assert portal.held(1, 2, 4, 5) == {"7"}
    assert (await portal.world.effect("3"))["state"] == "skipped"
    item = ("failed_effect", "acme/hubspot/company/3")
    assert (await portal.world.attention())[item] == "open"
    portal.hubspot.state.of("companies").restore("3", PERSON)
    await portal.world.pool.execute(_LONG_AGO)
    await portal.want(8, 3, version=2)
    await portal.world.settle()
    assert portal.held(3) == {"8"}
    assert (await portal.world.attention())[item] == "closed"


@pytest.mark.parametrize(
    ("status", "headers", "least"), [(423, {}, 2.0), (477, {"Retry-After": "1"}, 1.0)]
)
async def test_a_vendor_that_asks_for_patience(
    portal: Any, status: int, headers: dict[str, str], least: float
) -> None:
    await portal.opened(5)
    portal.fault("status", status=status, headers=headers)
    await portal.want(7, *range(1, 6))
    await portal.world.settle()
    first, second = portal.calls()
    assert second["started_at"] - first["started_at"] >= least * 0.99
    assert portal.held(*range(1, 6)) == {"7"}
    assert set(portal.check_keys().values()) == {1}


async def test_409_for_a_batch_is_halved(portal: Any) -> None:
    await portal.opened(5)
    portal.fault("status", status=409)
    await portal.want(7, *range(1, 6))
    await portal.world.settle()
    assert portal.held(*range(1, 6)) == {"7"}
    assert len(portal.calls()) == 3
    assert set(portal.check_keys().values()) == {1}


@pytest.mark.parametrize("seen_before", [False, True])
async def test_a_property_deleted_while_running_is_made_again_and_filled(
    portal: Any, seen_before: bool
) -> None:
    await portal.opened(30)
    await portal.want(7, *range(1, 31))
    await portal.world.settle()
    portal.hubspot.state.of("companies").drop_property("pl_mrr")
    if seen_before:
        await portal.world.pool.execute(_LONG_AGO)
    await portal.want(8, 1, version=2)
    await portal.world.settle()
    assert portal.held(1) == {"8"}
    assert portal.held(*range(2, 31)) == {"7"}
    assert await portal.world.counts() == {}
    assert await portal.world.pool.fetchval("select count(*) from writeback.conflicts") == 0
    assert "open" not in (await portal.world.attention()).values()
    portal.check_keys()


async def test_a_property_that_cannot_be_made_again_is_told_and_left_out(portal: Any) -> None:
    await portal.opened(3)
    await portal.want(7, 1, 2, 3)
    await portal.world.settle()
    portal.hubspot.state.of("companies").drop_property("pl_mrr")
    portal.hubspot.state.faults.add_json({
        "path": "properties/companies$", "method": "POST",
        "action": {"kind": "status", "status": 400, "body": "{}"},
    })  # fmt: skip
    await portal.want(8, 1, version=2)
    await portal.world.settle()
    assert await portal.world.counts() == {}
    item = ("property_mismatch", "hubspot/company/pl_mrr")
    assert (await portal.world.attention())[item] == "open"
    creations = [c for c in portal.calls("properties/companies$") if c["method"] == "POST"]
    assert len(creations) == 3  # two at the start, and once more after it was found missing
