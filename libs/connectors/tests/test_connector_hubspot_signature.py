"""HubSpot's webhook signatures against the published vectors."""

import base64
import hashlib
import hmac

import pytest
from plumbline_connectors.hubspot.signature import SignatureError, decode_uri, verify

SECRET = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
URL = "https://www.example.com/webhook_uri"
V3_BODY = b"{'example_field':'example_value'}"
V3_TIME = 1_693_657_560_000
V3 = {
    "X-HubSpot-Signature-v3": "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y=",
    "X-HubSpot-Request-Timestamp": str(V3_TIME),
}
V1_BODY = (
    b'[{"eventId":1,"subscriptionId":12345,"portalId":62515,"occurredAt":1564113600000,'
    b'"subscriptionType":"contact.creation","attemptNumber":0,"objectId":123,'
    b'"changeSource":"CRM","changeFlag":"NEW","appId":54321}]'
)
V1 = {
    "X-HubSpot-Signature": "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de",
    "X-HubSpot-Signature-Version": "v1",
}


def fault(
    headers: dict[str, str],
    *,
    body: bytes = V3_BODY,
    secrets: list[str] | None = None,
    now_ms: int = V3_TIME,
    url: str = URL,
) -> str | None:
    try:
        verify("POST", url, body, headers, secrets or [SECRET], now_ms=now_ms)
    except SignatureError as error:
        return error.reason
    return None


def test_the_published_vectors() -> None:
    assert fault(V3) is None
    assert fault({name.lower(): value for name, value in V3.items()}) is None
    assert fault(V1, body=V1_BODY) is None
    assert fault(V1 | V3) is None


def test_several_secrets_and_never_an_empty_one() -> None:
    assert fault(V3, secrets=["old", "", SECRET]) is None
    assert fault(V3, secrets=["old"]) == "no_match"
    nothing = hashlib.sha256(V1_BODY).hexdigest()
    assert fault({"x-hubspot-signature": nothing}, body=V1_BODY, secrets=[""]) == "no_match"
    signed = f"POST{URL}".encode() + V3_BODY + str(V3_TIME).encode()
    empty = base64.b64encode(hmac.new(b"", signed, "sha256").digest()).decode()
    headers = V3 | {"X-HubSpot-Signature-v3": empty}
    assert fault(headers, secrets=[""]) == "no_match"


def test_a_failed_v3_is_not_saved_by_a_true_v1() -> None:
    assert fault(V1 | V3, body=V1_BODY) == "no_match"


@pytest.mark.parametrize(
    ("distance", "reason"),
    [(300_000, None), (-300_000, None), (300_001, "stale"), (-300_001, "future")],
)
def test_tolerance_both_ways(distance: int, reason: str | None) -> None:
    assert fault(V3, now_ms=V3_TIME + distance) == reason


def test_body_url_and_secret_all_count() -> None:
    assert fault(V3, body=V3_BODY + b" ") == "no_match"
    assert fault(V3, url=URL + "/") == "no_match"
    assert fault(V1, body=V1_BODY + b" ") == "no_match"
    assert fault(V1, body=V1_BODY, secrets=["other"]) == "no_match"


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "missing"),
        ({"x-hubspot-signature-v3": "abc"}, "missing"),
        ({"x-hubspot-signature-v3": "abc", "x-hubspot-request-timestamp": "soon"}, "malformed"),
        ({"x-hubspot-signature-v3": "abc", "x-hubspot-request-timestamp": "9" * 99}, "malformed"),
        ({"x-hubspot-signature-v3": "ä", "x-hubspot-request-timestamp": "1"}, "malformed"),
        ({"x-hubspot-signature": "ä"}, "malformed"),
        ({"x-hubspot-signature": "ab", "x-hubspot-signature-version": "v2"}, "malformed"),
    ],
)
def test_unusable_headers(headers: dict[str, str], reason: str) -> None:
    assert fault(headers) == reason


def test_the_documented_escapes_are_undone_once_and_no_others() -> None:
    escaped = "https://h.example/a%3A%2F%3F%40%21%24%27%28%29%2A%2C%3B?b=%20%26%25&c=%253A"
    plain = "https://h.example/a:/?@!$'()*,;?b=%20%26%25&c=%253A"
    assert decode_uri(escaped) == plain
    signed = f"POST{plain}".encode() + b"[]" + str(V3_TIME).encode()
    value = base64.b64encode(hmac.new(SECRET.encode(), signed, "sha256").digest()).decode()
    assert fault(V3 | {"X-HubSpot-Signature-v3": value}, url=escaped, body=b"[]") is None
