"""Health pages mean what they say."""

import httpx
from plumbline_runtime.health import Health


async def pages(health: Health, path: str) -> httpx.Response:
    transport = httpx.ASGITransport(app=health.app())
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.get(path)


async def test_not_ready_before_the_start_but_alive():
    health = Health("matcher")
    assert (await pages(health, "/health/live")).json() == {"service": "matcher", "live": True}
    ready = await pages(health, "/health/ready")
    assert ready.status_code == 503
    assert ready.json()["conditions"]["started"] == {"ok": False, "detail": "starting"}


async def test_ready_when_every_condition_holds_and_not_one_less():
    health = Health("matcher")
    health.remove("started")
    health.set("kafka", True)
    health.set("consumer:matcher", False, "rebalancing")
    answer = await pages(health, "/health/ready")
    assert answer.status_code == 503
    assert answer.json()["conditions"]["consumer:matcher"]["detail"] == "rebalancing"
    health.set("consumer:matcher", True, "12 partitions")
    answer = await pages(health, "/health/ready")
    assert answer.status_code == 200
    assert answer.json()["ready"] is True


async def test_metrics_have_the_names_of_the_dashboards():
    import plumbline_runtime.metrics

    text = (await pages(Health("matcher"), "/metrics")).text
    assert plumbline_runtime.metrics.LAG_RECORDS is not None
    for name in (
        "plumbline_consumer_lag_records",
        "plumbline_consumer_lag_seconds",
        "plumbline_batch_size",
        "plumbline_batch_seconds",
        "plumbline_fence_rejections_total",
        "plumbline_offset_gaps_total",
        "plumbline_commit_failures_total",
        "plumbline_rebalances_total",
        "plumbline_dlq_records_total",
        "plumbline_rate_limit_tokens",
    ):
        assert f"# HELP {name}" in text or f"# HELP {name.removesuffix('_total')}" in text, name
