"""Readiness of the edge: named gaps, stale heartbeats, settings, back-off."""

import asyncpg
import pytest
from ingest_webhooks.backoff import full_jitter
from ingest_webhooks.ready import Heartbeat, HeartbeatReadiness, missing, required_conditions
from ingest_webhooks.settings import IngestSettings
from plumbline_runtime.health import Health
from plumbline_runtime.secrets import ConfigError


def beats(required, **changes) -> list[Heartbeat]:
    """A deployment in which all is well, but for `changes` by service (without hyphens)."""
    return [
        Heartbeat(
            service,
            "0",
            True,
            {name: {"ok": True, "detail": ""} for name in conditions},
            0.5,
        )._replace(**changes.get(service.replace("-", "_"), {}))
        for service, conditions in required.items()
    ]


@pytest.fixture
def required(deployment):
    return required_conditions(deployment)


def test_ready_when_every_service_says_so(required):
    assert missing(beats(required), required, 3.0) == []


def test_properties_and_walks_are_required_by_name(required):
    assert "crm_properties:acme/crm" in required["writeback"]
    assert {"walks:acme/pay", "walks:acme/crm"} <= set(required["reconciler"])
    found = missing(beats(required, writeback={"conditions": {}}), required, 3.0)
    assert {"crm_properties:acme/crm"} <= {gap["missing"] for gap in found}
    assert all(gap["service"] == "writeback" for gap in found)


@pytest.mark.parametrize("service", ["ingest_webhooks", "matcher", "writeback", "reconciler"])
def test_a_silent_service_is_named(required, service):
    named = service.replace("_", "-")
    assert missing(beats(required, **{service: {"age_seconds": 3.5}}), required, 3.0) == [
        {"service": named, "missing": "running process"}
    ]


def test_an_unmet_condition_is_named_with_its_detail(required):
    conditions = {name: {"ok": True} for name in required["matcher"]}
    conditions["kafka"] = {"ok": False, "detail": "no broker"}
    change = {"ready": False, "conditions": conditions}
    assert missing(beats(required, matcher=change), required, 3.0) == [
        {"service": "matcher", "missing": "kafka", "detail": "no broker"}
    ]
    conditions["kafka"] = {"ok": True}
    assert missing(beats(required, matcher=change), required, 3.0) == [
        {"service": "matcher", "missing": "ready"}
    ]


def test_one_live_instance_is_enough(required):
    dead = [beat._replace(instance="1", age_seconds=99.0) for beat in beats(required)]
    assert missing(dead + beats(required), required, 3.0) == []


@pytest.mark.server
async def test_readiness_reads_the_heartbeats_and_caches(database_url, required):
    async with asyncpg.create_pool(database_url, min_size=1, max_size=1) as pool:
        ready = HeartbeatReadiness(
            pool, required, own=Health("ingest-webhooks"), max_age=3.0, cache_seconds=0.2
        )
        ok, body = await ready.report()
        assert not ok
        assert len(body["missing"]) == 4
        await pool.executemany(
            """
            insert into runtime.heartbeats (service, instance, pid, ready, conditions)
            values ($1, '0', 1, true,
                    (select jsonb_object_agg(name, '{"ok": true}'::jsonb)
                     from unnest($2::text[]) as name))
            """,
            list(required.items()),
        )
        assert not (await ready.report())[0], "the answer is kept for a moment"


@pytest.mark.server
async def test_readiness_with_the_runtimes_pool_and_without_database(database_url, required):
    from plumbline_runtime.postgres import create_pool

    pool = await create_pool(database_url)
    for service, conditions in required.items():
        await pool.execute(
            """
            insert into runtime.heartbeats (service, instance, pid, ready, conditions)
            values ($1, '0', 1, true, $2)
            """,
            service,
            {name: {"ok": True, "detail": ""} for name in conditions},
        )
    own = Health("ingest-webhooks")
    own.set("started", True)
    own.set("shown", False, "no reason to wait", gates=False)
    ready = HeartbeatReadiness(pool, required, own=own, max_age=3.0, cache_seconds=0.0)
    assert await ready.report() == (True, {"ready": True, "missing": []})
    own.set("kafka", False, "no broker answers")
    assert (await ready.report())[1]["missing"] == [
        {"service": "ingest-webhooks", "missing": "kafka", "detail": "no broker answers"}
    ]
    own.set("kafka", True)
    assert (await ready.report())[0]
    await pool.execute(
        "update runtime.heartbeats set at = now() - interval '4 s' where service = 'matcher'"
    )
    ok, body = await ready.report()
    assert not ok
    assert body["missing"] == [{"service": "matcher", "missing": "running process"}]
    await pool.close()
    ok, body = await ready.report()
    assert not ok
    assert body["missing"][0]["service"] == "database"


def test_settings_come_from_the_environment():
    settings = IngestSettings.from_environment(
        {"PLUMBLINE_ROLES": "edge, reader", "PLUMBLINE_ACK_TIMEOUT_SECONDS": "0.5"}
    )
    assert settings.roles == {"edge", "reader"}
    assert settings.ack_timeout == 0.5
    assert IngestSettings.from_environment({}) == IngestSettings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PLUMBLINE_ROLES", "edge,cook"),
        ("PLUMBLINE_ROLES", ","),
        ("PLUMBLINE_ACK_TIMEOUT_SECONDS", "soon"),
        ("PLUMBLINE_ACK_TIMEOUT_SECONDS", "0"),
        ("PLUMBLINE_ACK_TIMEOUT_SECONDS", "inf"),
    ],
)
def test_a_bad_setting_is_named_with_what_was_found(name, value):
    with pytest.raises(ConfigError, match=name) as caught:
        IngestSettings.from_environment({name: value})
    assert repr(value) in str(caught.value)


def test_back_off_doubles_its_limit_up_to_the_cap():
    for attempts, limit in ((0, 1.0), (3, 8.0), (50, 900.0), (5000, 900.0)):
        waits = [full_jitter(attempts, first=1.0, cap=900.0) for _ in range(200)]
        assert all(0 <= wait <= limit for wait in waits)
        assert max(waits) > limit / 2
