"""No secret and no address of a person reaches the log, wherever it hides."""

import json
import logging

import pytest
from plumbline_runtime.logging import get_logger
from plumbline_runtime.redaction import redact_text

SECRETS = [
    "sk_test_51Hx7abcdefghij",
    "sk_live_51Hx7abcdefghij",
    "rk_live_abcdefgh12345",
    "rk_test_abcdefgh12345",
    "whsec_abc+def/ghi=",
    "pat-na1-1234abcd-12ab-34cd-56ef-123456abcdef",
    "pat-eu1-1234abcd-12ab-34cd-56ef-123456abcdef",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
]


@pytest.fixture
def lines(logged):
    stream = logged("INFO")
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize("secret", SECRETS)
def test_tokens_are_redacted_in_text_fields_and_exceptions(secret, lines):
    log = get_logger()
    log.info("call_failed", answer=f"invalid key {secret}!", nested={"list": [secret, (secret,)]})
    try:
        raise ValueError(f"refused {secret}")
    except ValueError as error:
        log.exception("call_failed", error=error)
    logging.getLogger("library").warning("sent %s", secret)
    text = json.dumps(lines())
    assert len(lines()) == 3
    assert secret not in text
    assert secret[8:] not in text
    assert "[redacted]" in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer [redacted]"),
        ("basic dXNlcjpwYXNz", "basic [redacted]"),
        (
            "postgresql://plumbline:hunter2@127.0.0.1:5432/x",
            "postgresql://plumbline:[redacted]@127.0.0.1:5432/x",
        ),
        ("host=x password=hunter2 user=y", "host=x password=[redacted] user=y"),
        (
            "https://api.example/x?hapikey=abcdef&a=1",
            "https://api.example/x?hapikey=[redacted]&a=1",
        ),
        ("bill ada.lovelace+x@mail.acme.example now", "bill [address] now"),
        ("acme/stripe/customer/cus_123 at 12:00", "acme/stripe/customer/cus_123 at 12:00"),
        ("evt_1NG8Du2eZvKYlo2C in_1abc sub_1abc", "evt_1NG8Du2eZvKYlo2C in_1abc sub_1abc"),
    ],
)
def test_texts(text, expected):
    assert redact_text(text) == expected


def test_fields_named_like_secrets_and_bodies_hold_nothing(lines):
    get_logger().info(
        "request_refused",
        webhook_secret="plain",
        access_token="plain",
        Authorization="plain",
        body=b"plain",
        payload={"a": "plain"},
        value=b"plain",
        offset=7,
    )
    [line] = lines()
    assert "plain" not in json.dumps(line)
    assert line["offset"] == 7
    assert line["value"] == "[5 bytes]"


def test_a_line_says_when_who_and_what(lines):
    get_logger().info("batch_handled", records=3)
    get_logger().debug("not_shown")
    [line] = lines()
    assert line["event"] == "batch_handled"
    assert line["service"] == "test"
    assert line["level"] == "info"
    assert line["ts"].endswith("Z")


def test_libraries_are_heard_from_warning_on(lines):
    logging.getLogger("aiokafka.consumer").info("chatter")
    logging.getLogger("aiokafka.consumer").error("trouble")
    assert [line["message"] for line in lines()] == ["trouble"]


def test_a_library_that_repeats_itself_is_counted_not_printed(lines):
    library = logging.getLogger("aiokafka.consumer")
    for node in range(50):
        library.warning("node %d is away", node)
    library.warning("something else")
    assert [line["message"] for line in lines()] == ["node 0 is away", "something else"]
