"""What may be relied on from outside (design 9), line by line, against the real command."""

import json
import os
import time
from typing import Any

import psutil
import pytest

pytestmark = [pytest.mark.server, pytest.mark.timeout(240)]
ALL = ("mrr", "plan", "payment", "state", "since", "id", "ambiguous", "synced")


async def test_a_customer_from_before_the_connection_has_its_fields(world: Any) -> None:
    shown = world.shown("9001")
    assert shown["mrr"] == "83.33"
    assert (shown["plan"], shown["state"], shown["payment"]) == ("yearly", "active", "none")
    assert (shown["id"], shown["ambiguous"]) == ("cus_before", "false")
    assert shown["since"].endswith("Z")
    assert shown["synced"].endswith("Z")


async def test_metadata_that_names_the_record_links(world: Any) -> None:
    assert world.shown("9002")["id"] == "cus_named"


async def test_companies_that_share_a_domain_are_left_alone(world: Any) -> None:
    assert not any(world.shown("9003").values())
    assert not any(world.shown("9004").values())


async def test_a_personal_domain_links_nobody(world: Any) -> None:
    assert not any(world.shown("9005").values())


async def test_nobody_is_written_without_a_customer(world: Any) -> None:
    assert not any(world.shown("9006").values())


async def test_a_company_created_after_its_customer_gets_its_fields(world: Any) -> None:
    company = await world.company("Lonely", "lonely.example")
    await world.shows(company, mrr="49", plan="monthly", id="cus_lonely")


async def test_a_customer_after_its_company_in_any_case(world: Any) -> None:
    company = await world.company("After", "after.example")
    customer = await world.customer("Billing@AFTER.example", "price_bare")
    await world.shows(company, mrr="9", plan="Pro", payment="paid", state="active", id=customer)


async def test_several_customers_are_summed_and_flagged(world: Any) -> None:
    company = await world.company("Both", "both.example")
    first = await world.customer("a@both.example", "price_monthly")
    second = await world.customer("b@both.example", "price_monthly")
    ids = ";".join(sorted((first, second)))
    await world.shows(company, mrr="98", id=ids, ambiguous="true", plan="monthly")


async def test_a_deleted_customer_is_churned_and_keeps_who_it_was(world: Any) -> None:
    company = await world.company("Gone", "gone.example")
    customer = await world.customer("a@gone.example", "price_monthly")
    await world.shows(company, mrr="49")
    before = world.shown(company)
    await world.stripe_api("DELETE", f"/v1/customers/{customer}")
    await world.shows(company, mrr="0", state="churned", payment="none")
    after = world.shown(company)
    assert [after[name] for name in ("id", "plan", "since")] == [
        before[name] for name in ("id", "plan", "since")
    ]


async def test_a_customer_without_subscription_is_a_prospect(world: Any) -> None:
    company = await world.company("Prospect", "prospect.example")
    customer = await world.customer("a@prospect.example", None)
    await world.shows(company, id=customer, mrr="0", state="prospect", payment="none", plan="")


async def test_events_five_times_in_any_order_leave_the_right_value(world: Any) -> None:
    company = await world.company("Shuffled", "shuffled.example")
    customer = await world.customer("a@shuffled.example", "price_monthly")
    listed = await world.stripe_api("GET", f"/v1/subscriptions?customer={customer}")
    subscription = listed["data"][0]
    item = subscription["items"]["data"][0]["id"]
    for quantity in ("2", "3", "4"):
        form = {"items[0][id]": item, "items[0][quantity]": quantity}
        await world.stripe_api("POST", f"/v1/subscriptions/{subscription['id']}", form)
    await world.shows(company, mrr="196")
    events = await world.stripe_api("GET", "/v1/events?type=customer.subscription.updated")
    await world.settled()
    writes = world.hubspot.state.write_count
    for event in reversed(events["data"][:3]):
        await world.stripe_control(f"/events/{event['id']}/redeliver", {"times": 5})
    await world.settled()
    assert world.shown(company)["mrr"] == "196"
    assert world.hubspot.state.write_count == writes


async def test_nothing_outside_the_mapping_is_ever_sent(world: Any) -> None:
    await world.settled()
    answer = await world.http.get(f"{world.hubspot.control_url}/control/writes")
    ours = [write for write in answer.json()["writes"] if write["source"] == "INTEGRATION"]
    assert ours
    for write in ours:
        assert write["object_type"] == "companies"
        assert set(write["properties"]) <= {f"billing_{name}" for name in ALL}
        assert set(write["properties"]) != {"billing_synced"}
    assert len(world.hubspot.state.records["contacts"]) == 0


async def test_missing_properties_were_created_under_the_mapped_names(world: Any) -> None:
    properties = world.hubspot.state.records["companies"].catalog.properties
    kinds = {name: properties[f"billing_{name}"].type for name in ALL}
    assert kinds == {
        "mrr": "number", "plan": "string", "payment": "enumeration", "state": "enumeration",
        "since": "datetime", "id": "string", "ambiguous": "bool", "synced": "datetime",
    }  # fmt: skip


async def test_stripe_is_only_ever_read_and_has_no_endpoint_but_ours(world: Any) -> None:
    for line in world.stripe.state.calls.summary()["counts"]:
        method, template = line.split(" ", 1)
        if method != "GET":
            assert template.startswith(("/v1/customers", "/v1/subscriptions")), line
    endpoints = await world.stripe_api("GET", "/v1/webhook_endpoints")
    assert len(endpoints["data"]) == 1


async def test_own_writes_come_back_and_cost_no_read(world: Any) -> None:
    company = await world.company("Echo", "echo.example")
    await world.customer("a@echo.example", "price_monthly")
    await world.shows(company, mrr="49")
    await world.settled()
    calls = world.hubspot.state.calls
    before = sum(calls.counts.values())
    listed = await world.stripe_api("GET", "/v1/subscriptions?limit=1")
    item = listed["data"][0]["items"]["data"][0]["id"]
    form = {"items[0][id]": item, "items[0][quantity]": "7"}
    await world.stripe_api("POST", f"/v1/subscriptions/{listed['data'][0]['id']}", form)
    await world.shows(company, mrr="343")
    await world.settled()
    assert sum(calls.counts.values()) - before == 1, "one write and nothing else"


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/webhooks/acme/billing-eu", {"stripe_signature": "t=1,v1=00"}, 400),
        ("/webhooks/acme/nobody", {}, 404),
        ("/webhooks/nobody/billing-eu", {}, 404),
        ("/webhooks/acme/crm_main", {}, 401),
        ("/webhooks/acme/billing-eu", {"content_type": "text/plain"}, 415),
    ],
)
async def test_what_is_not_ours_is_refused(
    world: Any, path: str, headers: dict[str, str], status: int
) -> None:
    assert await world.post(b'{"id":"evt_x"}', path, **headers) == status


async def test_sizes_and_methods(world: Any) -> None:
    assert await world.post(b" " * (1024 * 1024 + 1)) == 413
    event = {"id": "evt_large", "object": "event", "type": "made.up", "created": 1, "x": ""}
    event |= {"livemode": False, "data": {"object": {"id": "x", "object": "made_up"}}}
    event["x"] = "x" * (1_048_000 - len(json.dumps(event)))
    body = json.dumps(event).encode()
    assert len(body) == 1_048_000
    assert await world.post(body) == 200
    assert (await world.http.get(f"{world.edge}/webhooks/acme/billing-eu")).status_code == 405


async def test_poison_is_a_dead_letter_and_the_rest_goes_on(world: Any) -> None:
    before = sum((await world.status())["dead_letters"].values())
    bodies = [b"not json", b"[]", b'{"object":"event"}', b"[" * 5000, b'{"id":"a\\u0000b"}']
    for body in bodies:
        assert await world.post(body) == 200
    company = await world.company("After poison", "poison.example")
    await world.customer("a@poison.example", "price_monthly")
    await world.shows(company, mrr="49")
    await world.settled()
    assert sum((await world.status())["dead_letters"].values()) == before + len(bodies)


async def test_status_says_what_the_contract_names(world: Any) -> None:
    await world.settled()
    found = await world.status()
    assert set(found) == {
        "ready", "settled", "edge_url", "services", "lag", "reads", "effects", "attention",
        "attention_kinds", "incomplete", "dead_letters", "connections", "rates",
    }  # fmt: skip
    assert (found["ready"], found["lag"], found["reads"], found["effects"]) == (True, 0, 0, 0)
    assert found["edge_url"] == world.edge
    names = {service["name"] for service in found["services"]}
    assert names == {"ingest-webhooks", "matcher", "writeback", "reconciler"}
    for service in found["services"]:
        assert {"name", "pid", "state", "restarts", "rss_bytes", "health_url"} <= set(service)
        assert service["state"] == "up"
    assert [row["name"] for row in found["connections"]] == ["billing-eu", "crm_main"]
    assert found["attention"] >= 1


async def test_accounts_are_found_shown_and_explained(world: Any) -> None:
    hits = json.loads((await world.run("accounts", "search", "before.example", "--json")).stdout)
    (hit,) = hits["accounts"]
    shown = json.loads((await world.run("accounts", "show", hit["id"], "--json")).stdout)
    assert shown["account"]["fields"]["mrr"]["value"] == {"minor": 8333, "currency": "eur"}
    why = json.loads((await world.run("accounts", "why", "cus_before", "mrr", "--json")).stdout)
    assert (why["rule"], why["origin"], why["connection"]) == ("mrr.sum", "walk", "billing-eu")
    assert (await world.run("accounts", "search", "nobody-at-all", "--json")).returncode == 1
    assert (await world.run("accounts", "why", "cus_before", "shoe_size")).returncode == 1


async def test_a_killed_service_is_down_and_comes_back(world: Any) -> None:
    await world.settled()
    victim = next(s for s in (await world.status())["services"] if s["name"] == "matcher")
    os.kill(victim["pid"], 9)
    killed = time.monotonic()

    async def matcher() -> Any:
        services = (await world.status())["services"]
        return next(s for s in services if s["name"] == "matcher")

    async def fallen() -> bool:
        """Or started again already: that takes less time than asking, on a busy machine."""
        now = await matcher()
        return bool(now["state"] == "down" or now["pid"] not in {None, victim["pid"]})

    async def up() -> bool:
        return bool((await matcher())["state"] == "up")

    await world.until(fallen, 5)
    assert time.monotonic() - killed < 6
    await world.until(up, 30)
    await world.until(world.ready, 10)
    found = await world.status()
    assert next(s for s in found["services"] if s["name"] == "matcher")["restarts"] == 1


async def test_a_second_up_on_the_same_home_is_refused(world: Any) -> None:
    done = await world.run("up", "--config", str(world.config))
    assert done.returncode == 1
    assert "in use" in done.stderr


async def test_the_plan_is_shown_and_carried_out_after_approval(planned: Any) -> None:
    await planned.settled()
    assert planned.hubspot.state.write_count == 0
    waiting = json.loads((await planned.run("plan", "--json")).stdout)["waiting"]
    assert {row["record"] for row in waiting} == {
        "acme/crm_main/company/9001", "acme/crm_main/company/9002",
    }  # fmt: skip
    fields = {field["property"]: field["then"] for field in waiting[0]["fields"]}
    assert fields["billing_mrr"] == "83.33"
    assert (await planned.status())["attention"] >= 2
    assert (await planned.run("plan", "--apply")).returncode == 0
    await planned.shows("9001", mrr="83.33")
    await planned.shows("9002", mrr="49")


async def test_stop_redeliver_restart_and_rebuild_change_nothing(planned: Any) -> None:
    await planned.run("plan", "--apply")
    await planned.shows("9001", mrr="83.33")
    await planned.settled()
    children = psutil.Process(planned.process.pid).children(recursive=True)
    began = time.monotonic()
    assert await planned.stop() == 0
    assert time.monotonic() - began < 30
    assert not [child for child in children if child.is_running()]
    assert (await planned.run("status", "--json")).returncode == 1
    rebuilt = json.loads((await planned.run("rebuild", "--json")).stdout)
    assert rebuilt["equal"] is True
    positions = json.loads((await planned.run("redeliver", "--from", "0", "--json")).stdout)
    assert any(name.startswith("matcher/observations.v1/") for name in positions["positions"])
    writes, shown = planned.hubspot.state.write_count, planned.shown("9001")
    await planned.start()
    await planned.settled()
    assert planned.hubspot.state.write_count == writes
    assert planned.shown("9001") == shown
    assert await planned.stop() == 0
    again = json.loads((await planned.run("rebuild", "--json")).stdout)
    assert again["equal"] is True


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("currency = \"EUR\"", "currency = 5"), ("our.toml", "workspace.currency", "5")),
        (('mode = "test"', 'mode = "toast"'), ("connections.billing-eu.mode", "toast", "test")),
        (('kind = "hubspot"', 'kind = "hubspto"'), ("connections.crm_main.kind", "hubspto")),
        (("env:E2E_KEY", "env:E2E_UNSET"), ("connections.billing-eu.api_key", "E2E_UNSET")),
        (("mrr = \"billing_mrr\"", "mmr = \"billing_mrr\""), ("mmr", "mrr")),
    ],
)  # fmt: skip
async def test_a_wrong_file_is_named_in_one_line(
    world: Any, change: tuple[str, str], words: tuple[str, ...]
) -> None:
    folder = world.folder / "wrong"
    folder.mkdir(exist_ok=True)
    wrong = folder / "our.toml"
    wrong.write_text(world.config.read_text().replace(*change))
    done = await world.run("up", "--config", str(wrong))
    assert done.returncode == 2
    for word in words:
        assert word in done.stderr
    assert "Traceback" not in done.stderr
