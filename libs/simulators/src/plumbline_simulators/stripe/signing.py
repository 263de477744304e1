"""The Stripe-Signature header: `t` in real seconds and a `v1` for each active secret."""

import hashlib
import hmac
from collections.abc import Iterable


def signature_header(body: bytes, secrets: Iterable[str], timestamp: int) -> str:
    """The key is the whole secret, `whsec_` included; the text is `<t>.<body>`."""
    signed = b"%d.%b" % (timestamp, body)
    values = [
        f"v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}" for secret in secrets
    ]
    return ",".join([f"t={timestamp}", *values])
