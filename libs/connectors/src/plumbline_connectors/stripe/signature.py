"""Stripe's webhook signature, scheme v1 (vendors 1.1)."""

import hashlib
import hmac
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from plumbline_connectors.signing import SignatureError

__all__ = ["SignatureError", "verify"]

_MAX_TIMESTAMP_DIGITS: Final = 15
_BLOCK: Final = 64
_MAX_KEYED: Final = 256


def verify(
    body: bytes,
    header: str | None,
    secrets: Sequence[bytes],
    *,
    now: float,
    tolerance_seconds: float = 300,
) -> None:
    """Prove that Stripe signed exactly these bytes, recently.

    Args:
        body: the untouched request body.
        header: value of `Stripe-Signature`, None when it was not sent.
        secrets: endpoint secrets, each the whole `whsec_...` text as UTF-8; several while one is
            being rolled, in which time Stripe signs with each. An empty one never verifies.
        now: our clock, Unix seconds.
        tolerance_seconds: greatest distance of the signature's timestamp, into the future too.

    Raises:
        SignatureError: `missing`, `malformed` (no usable timestamp, or no v1 value), `no_match`,
            or, of a true signature, `stale` or `future`.
    """
    if not header:
        raise SignatureError("missing")
    timestamp, signatures = _parse(header)
    prefix = timestamp.encode() + b"."
    if not _matches(prefix, body, secrets, signatures):
        raise SignatureError("no_match")
    age = now - int(timestamp)
    if age > tolerance_seconds:
        raise SignatureError("stale")
    if age < -tolerance_seconds:
        raise SignatureError("future")


def _parse(header: str) -> tuple[str, list[str]]:
    """Timestamp as it was sent, and every v1 value; other schemes are none of ours."""
    timestamps: list[str] = []
    signatures: list[str] = []
    if not header.isascii():  # compare_digest takes ASCII text only
        raise SignatureError("malformed")
    for pair in header.split(","):
        scheme, _, value = pair.strip().partition("=")
        if scheme == "v1":
            signatures.append(value)
        elif scheme == "t":
            timestamps.append(value)
    if len(timestamps) != 1 or not signatures:
        raise SignatureError("malformed")
    timestamp = timestamps[0]
    if not timestamp.isdigit() or len(timestamp) > _MAX_TIMESTAMP_DIGITS:
        raise SignatureError("malformed")
    return timestamp, signatures


def _matches(
    prefix: bytes, body: bytes, secrets: Sequence[bytes], signatures: Sequence[str]
) -> bool:
    for secret in secrets:
        if not secret:
            continue
        keyed_inner, keyed_outer = _keyed(secret)
        inner, outer = keyed_inner.copy(), keyed_outer.copy()
        inner.update(prefix)
        inner.update(body)
        outer.update(inner.digest())
        expected = outer.hexdigest()
        for signature in signatures:
            if hmac.compare_digest(expected, signature):
                return True
    return False


@lru_cache(maxsize=_MAX_KEYED)
def _keyed(secret: bytes) -> "tuple[hashlib._Hash, hashlib._Hash]":
    """HMAC's two hashes (RFC 2104) after their key blocks: setting them up anew for each delivery
    costs as much as a third of hashing its body."""
    key = secret if len(secret) <= _BLOCK else hashlib.sha256(secret).digest()
    block = key.ljust(_BLOCK, b"\x00")
    return (
        hashlib.sha256(bytes(byte ^ 0x36 for byte in block)),
        hashlib.sha256(bytes(byte ^ 0x5C for byte in block)),
    )
