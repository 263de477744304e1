"""The survey tells of the whole deployment, of dead consumers too."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from plumbline_runtime.attention import open_attention
from plumbline_runtime.config import load_config
from plumbline_runtime.positions import create_positions
from plumbline_runtime.survey import Survey
from prometheus_client import REGISTRY

pytestmark = pytest.mark.server
CONFIG = """
[edge]
listen = "127.0.0.1:0"
[workspace]
id = "acme"
currency = "EUR"
[connections.stripe]
kind = "stripe"
mode = "test"
api_key = "env:NONE"
webhook_secrets = ["env:NONE"]
[connections.hubspot]
kind = "hubspot"
access_token = "env:NONE"
"""
OURS = {"workspace": "acme", "connection": "hubspot"}


def value(name, **labels):
    return REGISTRY.get_sample_value(name, labels)


@pytest.fixture
def survey(rig, tmp_path):
    place = tmp_path / "plumbline.toml"
    place.write_text(CONFIG)
    return Survey(rig.settings, load_config(place), rig.pool, asyncio.Event())


async def test_a_group_that_nobody_runs_still_shows_its_lag(rig, survey):
    await rig.publish(b"one", b"two", b"three")
    await create_positions(rig.pool, "observe", rig.topic.name, {0: 1, 1: 0})
    group = {"group": "observe", "topic": rig.topic.name}
    try:
        await survey.look()
        assert value("plumbline_group_lag_records", **group) == 2
        first = value("plumbline_group_lag_seconds", **group)
        assert 0 < first < 60
        await asyncio.sleep(0.05)
        await survey.look()
        assert value("plumbline_group_lag_seconds", **group) > first
        await rig.pool.execute("update runtime.offsets set next_offset = 3 where partition = 0")
        await survey.look()
        assert value("plumbline_group_lag_records", **group) == 0
        assert value("plumbline_group_lag_seconds", **group) == 0
        assert value("plumbline_survey_timestamp_seconds") > 0
    finally:
        await survey.close()


async def test_tables_become_gauges_and_zero_where_nothing_is(rig, survey):
    at = datetime.now(UTC) - timedelta(minutes=5)
    await rig.pool.execute(
        "insert into ingest_webhooks.connections (workspace, connection, last_event_at) "
        "values ('acme', 'stripe', $1)",
        at,
    )
    await rig.pool.execute(
        "insert into matcher.workspaces (workspace, sequence, published_up_to) "
        "values ('acme', 7, 4)"
    )
    async with rig.pool.acquire() as conn:
        await open_attention(
            conn, workspace="acme", kind="wrong_account", subject="stripe", summary="x"
        )
    try:
        await survey.look()
    finally:
        await survey.close()
    last = "plumbline_connection_last_event_timestamp_seconds"
    assert value(last, workspace="acme", connection="stripe") == pytest.approx(at.timestamp())
    assert value("plumbline_outbox_rows", workspace="acme") == 3
    assert value("plumbline_attention_open", workspace="acme", kind="wrong_account") == 1
    assert value("plumbline_attention_open", workspace="acme", kind="conflict") == 0
    assert value("plumbline_reads_waiting", **OURS) == 0
    assert value("plumbline_effect_age_seconds", **OURS) == 0
    assert value("plumbline_effects_waiting", state="held", **OURS) == 0


async def test_a_server_that_is_away_is_counted_and_told_once(rig, survey, monkeypatch):
    stopping = survey._stopping
    survey._settings = rig.settings.model_copy(update={"survey_seconds": 0.01})
    before = value("plumbline_survey_failures_total")

    async def away():
        if value("plumbline_survey_failures_total") >= before + 3:
            stopping.set()
        raise ConnectionRefusedError

    monkeypatch.setattr(survey, "look", away)
    async with asyncio.timeout(10):
        await survey.run()
    assert value("plumbline_survey_failures_total") >= before + 3
