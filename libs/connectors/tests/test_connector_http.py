"""What every vendor call does about time, errors and secrets."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from plumbline_connectors.http import BearerToken, VendorHttp, scrub
from plumbline_schemas.errors import Conflict, Permanent, Retryable, Unauthorized


def http(url: str, **options: Any) -> VendorHttp:
    return VendorHttp(url, where="acme/stripe", credentials=BearerToken("sk_test_1"), **options)


async def test_the_read_began_by_the_vendors_clock(vendor: Any) -> None:
    vendor.on("GET", "/x", {"ok": True}, headers={"date": "Fri, 20 Nov 2026 10:00:05 GMT"})
    client = http(vendor.url)
    answer = await client.request("GET", "/x", params=[("a", "1"), ("a", "2")])
    await client.aclose()
    at = datetime(2026, 11, 20, 10, 0, 5, tzinfo=UTC)
    assert answer.date == at
    assert answer.vendor_began_at == (at - timedelta(seconds=answer.elapsed_seconds)).replace(
        microsecond=0
    )
    assert answer.vendor_began_at < at
    assert answer.json() == {"ok": True}
    assert vendor.calls[0].query == [("a", "1"), ("a", "2")]
    assert vendor.calls[0].headers["authorization"] == "Bearer sk_test_1"


async def test_without_a_date_our_clock_stands_in(vendor: Any) -> None:
    vendor.on("GET", "/x", {}, headers={"date": "no date"})
    client = http(vendor.url + "/")
    answer = await client.request("GET", "/x")
    await client.aclose()
    assert answer.date is None
    assert answer.vendor_began_at == answer.began_at.replace(microsecond=0)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (302, Permanent),
        (400, Permanent),
        (401, Unauthorized),
        (403, Unauthorized),
        (404, Permanent),
        (409, Conflict),
        (408, Retryable),
        (429, Retryable),
        (500, Retryable),
        (503, Retryable),
    ],
)
async def test_statuses(vendor: Any, status: int, error: type[Exception]) -> None:
    body = {"message": "no sk_live_abc for ada@acme.example"}
    vendor.on("GET", "/x", body, status=status, headers={"location": "/elsewhere"})
    client = http(vendor.url)
    with pytest.raises(error) as caught:
        await client.request("GET", "/x")
    accepted = await client.request("GET", "/x", accept=frozenset({status}))
    await client.aclose()
    assert accepted.status == status
    said = f"acme/stripe GET /x: HTTP {status}: no [secret] for [address]"
    assert str(caught.value) == said
    assert len(vendor.calls) == 2


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("Fri, 20 Nov 2026 10:01:05 GMT", 60.0),
        ("-1", None),
        ("soon", None),
        ("inf", None),
        ("9999999", 86_400.0),
    ],
)
async def test_retry_after(vendor: Any, value: str, seconds: float | None) -> None:
    headers = {"retry-after": value, "date": "Fri, 20 Nov 2026 10:00:05 GMT"}
    vendor.on("GET", "/x", b"busy", status=503, headers=headers)
    client = http(vendor.url)
    with pytest.raises(Retryable) as caught:
        await client.request("GET", "/x")
    await client.aclose()
    assert (caught.value.retry_after, caught.value.status) == (seconds, 503)
    assert not caught.value.rate_limited


async def test_no_answer_is_retryable(unused_tcp_port: int) -> None:
    client = http(f"http://127.0.0.1:{unused_tcp_port}")
    with pytest.raises(Retryable, match="acme/stripe GET /x: ConnectError"):
        await client.request("GET", "/x")
    await client.aclose()


async def test_silence_and_half_an_answer_are_retryable() -> None:
    async def half(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
        writer.close()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    for handler in (half, silent):
        server = await asyncio.start_server(handler, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        client = http(f"http://127.0.0.1:{port}", timeout_seconds=0.2)
        with pytest.raises(Retryable):
            await client.request("GET", "/x")
        await client.aclose()
        server.close()
        await server.wait_closed()


async def test_an_answer_that_is_no_json_is_retryable(vendor: Any) -> None:
    vendor.on("GET", "/x", b"<html>")
    client = http(vendor.url)
    answer = await client.request("GET", "/x")
    await client.aclose()
    with pytest.raises(Retryable, match="no JSON"):
        answer.json()


def test_messages_are_short_and_clean() -> None:
    assert len(scrub("x" * 5000)) == 300
    assert scrub("key rk_live_51H and pat-na1-1-2 of bob@acme.example") == (
        "key [secret] and [secret] of [address]"
    )
