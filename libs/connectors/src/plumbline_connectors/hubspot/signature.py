"""HubSpot's webhook signatures: v3, and v1 where nothing newer was sent (vendors 2.8)."""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from plumbline_connectors.signing import SignatureError

__all__ = ["SignatureError", "verify", "verify_v1", "verify_v3"]

HEADER_V3: Final = "x-hubspot-signature-v3"
HEADER_TIMESTAMP: Final = "x-hubspot-request-timestamp"
HEADER_V1: Final = "x-hubspot-signature"
HEADER_VERSION: Final = "x-hubspot-signature-version"

_DECODED: Final = {
    "%3A": ":",
    "%2F": "/",
    "%3F": "?",
    "%40": "@",
    "%21": "!",
    "%24": "$",
    "%27": "'",
    "%28": "(",
    "%29": ")",
    "%2A": "*",
    "%2C": ",",
    "%3B": ";",
}
_ESCAPES: Final = re.compile("|".join(_DECODED), re.IGNORECASE)
_MAX_TIMESTAMP_DIGITS: Final = 18


def verify(
    method: str,
    public_url: str,
    body: bytes,
    headers: Mapping[str, str],
    secrets: Sequence[str],
    *,
    now_ms: int,
    tolerance_ms: int = 300_000,
) -> None:
    """Prove that HubSpot signed this delivery: by v3 when its header is there, else by v1.

    A v3 signature that fails is never saved by a v1 signature beside it. v1 has no timestamp, so
    it can't tell a replay.

    Args:
        method: HTTP method of the request.
        public_url: the configured target URL with path and query, as HubSpot calls it; never
            rebuilt from `Host`.
        body: the untouched request body.
        headers: request headers, names in any case.
        secrets: client secrets of the app; several while one is being rolled.
        now_ms: our clock, Unix milliseconds.
        tolerance_ms: greatest distance of the v3 timestamp, into the future too.

    Raises:
        SignatureError: see `verify_v3` and `verify_v1`.
    """
    found = {name.lower(): value for name, value in headers.items()}
    if HEADER_V3 in found:
        verify_v3(
            method,
            public_url,
            body,
            signature=found[HEADER_V3],
            timestamp=found.get(HEADER_TIMESTAMP),
            secrets=secrets,
            now_ms=now_ms,
            tolerance_ms=tolerance_ms,
        )
        return
    if found.get(HEADER_VERSION, "v1") != "v1":
        raise SignatureError("malformed")
    verify_v1(body, found.get(HEADER_V1), secrets)


def verify_v3(
    method: str,
    public_url: str,
    body: bytes,
    *,
    signature: str | None,
    timestamp: str | None,
    secrets: Sequence[str],
    now_ms: int,
    tolerance_ms: int = 300_000,
) -> None:
    """Check base64(HMAC-SHA256(secret, method + decoded URL + body + timestamp)).

    Raises:
        SignatureError: `missing` without both headers, `malformed`, `no_match`, or, of a true
            signature, `stale` or `future` (which HubSpot's own packages let pass).
    """
    if not signature or not timestamp:
        raise SignatureError("missing")
    usable = timestamp.isascii() and timestamp.isdigit()
    if not signature.isascii() or not usable or len(timestamp) > _MAX_TIMESTAMP_DIGITS:
        raise SignatureError("malformed")
    signed = f"{method.upper()}{decode_uri(public_url)}".encode() + body + timestamp.encode()
    if not any(_matches_v3(signed, secret, signature) for secret in secrets):
        raise SignatureError("no_match")
    age = now_ms - int(timestamp)
    if age > tolerance_ms:
        raise SignatureError("stale")
    if age < -tolerance_ms:
        raise SignatureError("future")


def verify_v1(body: bytes, signature: str | None, secrets: Sequence[str]) -> None:
    """Check hex(SHA-256(secret + body)).

    Raises:
        SignatureError: `missing`, `malformed` or `no_match`.
    """
    if not signature:
        raise SignatureError("missing")
    if not signature.isascii():
        raise SignatureError("malformed")
    if not any(_matches_v1(body, secret, signature) for secret in secrets):
        raise SignatureError("no_match")


@lru_cache(maxsize=256)
def decode_uri(uri: str) -> str:
    """Undo exactly the documented escapes, once; all others stay as they were sent."""
    return _ESCAPES.sub(lambda escape: _DECODED[escape.group().upper()], uri)


def _matches_v3(signed: bytes, secret: str, signature: str) -> bool:
    if not secret:
        return False
    expected = base64.b64encode(hmac.digest(secret.encode(), signed, "sha256")).decode()
    return hmac.compare_digest(expected, signature)


def _matches_v1(body: bytes, secret: str, signature: str) -> bool:
    if not secret:
        return False
    expected = hashlib.sha256(secret.encode() + body).hexdigest()
    return hmac.compare_digest(expected, signature)
