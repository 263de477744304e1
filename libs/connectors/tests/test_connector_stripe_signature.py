"""Stripe's webhook signature: what proves a delivery, and what doesn't."""

import hmac

import pytest
from plumbline_connectors.stripe.signature import SignatureError, verify

BODY = b'{"id": "evt_1"}'
NOW = 1_700_000_000
SECRET = b"whsec_one"
OTHER = b"whsec_two"


def sign(secret: bytes, *, at: int = NOW, body: bytes = BODY) -> str:
    return hmac.new(secret, f"{at}.".encode() + body, "sha256").hexdigest()


def fault(
    header: str | None, secrets: list[bytes], *, now: float = NOW, body: bytes = BODY
) -> str | None:
    try:
        verify(body, header, secrets, now=now)
    except SignatureError as error:
        return error.reason
    return None


def test_a_true_signature_passes() -> None:
    assert fault(f"t={NOW},v1={sign(SECRET)}", [SECRET]) is None


def test_one_match_among_several_secrets_and_values_is_enough() -> None:
    header = f"t={NOW},v1={sign(b'whsec_unknown')},v1={sign(OTHER)}"
    assert fault(header, [SECRET, OTHER]) is None
    assert fault(header, [SECRET]) == "no_match"


def test_other_schemes_are_ignored() -> None:
    assert fault(f"t={NOW},v0=junk,v2=,v1={sign(SECRET)}", [SECRET]) is None
    assert fault(f"t={NOW},v0={sign(SECRET)}", [SECRET]) == "malformed"


def test_blanks_between_pairs_are_tolerated() -> None:
    assert fault(f"t={NOW}, v1={sign(SECRET)}", [SECRET]) is None


@pytest.mark.parametrize("secrets", [[b""], [], [b"", b"whsec_else"]])
def test_an_empty_secret_never_verifies(secrets: list[bytes]) -> None:
    assert fault(f"t={NOW},v1={sign(b'')}", secrets) == "no_match"


@pytest.mark.parametrize("size", [10, 64, 65, 200])
def test_secrets_of_any_length(size: int) -> None:
    secret = b"s" * size
    assert fault(f"t={NOW},v1={sign(secret)}", [secret]) is None


@pytest.mark.parametrize("distance", [-300, 0, 300])
def test_within_tolerance_both_ways(distance: int) -> None:
    at = NOW + distance
    assert fault(f"t={at},v1={sign(SECRET, at=at)}", [SECRET]) is None


@pytest.mark.parametrize(("distance", "reason"), [(-301, "stale"), (301, "future")])
def test_beyond_tolerance(distance: int, reason: str) -> None:
    at = NOW + distance
    assert fault(f"t={at},v1={sign(SECRET, at=at)}", [SECRET]) == reason


def test_a_changed_body_or_timestamp_is_no_match() -> None:
    header = f"t={NOW},v1={sign(SECRET)}"
    assert fault(header, [SECRET], body=BODY + b" ") == "no_match"
    assert fault(f"t={NOW + 1},v1={sign(SECRET)}", [SECRET]) == "no_match"


@pytest.mark.parametrize("header", [None, ""])
def test_missing(header: str | None) -> None:
    assert fault(header, [SECRET]) == "missing"


@pytest.mark.parametrize(
    "header",
    [
        "nonsense",
        f"v1={sign(SECRET)}",
        f"t={NOW}",
        f"t=,v1={sign(SECRET)}",
        f"t=-5,v1={sign(SECRET)}",
        f"t=1_700,v1={sign(SECRET)}",
        f"t={NOW}.5,v1={sign(SECRET)}",
        f"t={'9' * 5000},v1={sign(SECRET)}",
        f"t={NOW},t={NOW},v1={sign(SECRET)}",
        f"t={NOW},v1=ünïcode",
        f"t=١٢٣,v1={sign(SECRET)}",
    ],
)
def test_malformed(header: str) -> None:
    assert fault(header, [SECRET]) == "malformed"
