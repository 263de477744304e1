"""Who may call: API keys, restricted keys, the account header, the request rate."""

import base64
import binascii
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from plumbline_simulators.stripe.errors import StripeError

Permission = Literal["none", "read", "write"]


@dataclass(frozen=True)
class Access:
    """`keys` allows; an `rk_` key reads everything and writes nothing unless `permissions`
    (resource, such as `customers`, to none, read or write) says otherwise.
    """

    keys: tuple[str, ...]
    account_id: str
    permissions: Mapping[str, Permission] = field(default_factory=dict)

    def check(self, method: str, resource: str, headers: Mapping[str, str]) -> None:
        """Raises Stripe's 401 and 403."""
        key = _key_of(headers.get("authorization", ""))
        if key is None:
            message = (
                "You did not provide an API key. You need to provide your API key in the "
                "Authorization header, using Bearer auth."
            )
            raise StripeError(401, message)
        if key not in self.keys:
            raise StripeError(401, f"Invalid API Key provided: {_masked(key)}")
        account = headers.get("stripe-account", self.account_id)
        if account != self.account_id:
            message = f"The provided key '{_masked(key)}' does not have access to '{account}'"
            raise StripeError(403, message, code="account_invalid")
        if key.startswith("rk_"):
            self._check_restricted(method, resource, key)

    def _check_restricted(self, method: str, resource: str, key: str) -> None:
        level = self.permissions.get(resource, "read")
        wanted = "read" if method == "GET" else "write"
        if level in ("write", wanted):
            return
        message = (
            f"The provided key '{_masked(key)}' does not have the required permissions for this "
            f"endpoint. Having the '{resource}_{wanted}' permission would allow this request."
        )
        raise StripeError(403, message, code="more_permissions_required")


class RateLimit:
    """Requests per second of real time, a token bucket; None is no limit."""

    def __init__(
        self, per_second: float | None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = per_second
        self._monotonic = monotonic
        self._tokens = per_second or 0.0
        self._at = monotonic()

    def take(self) -> None:
        """Raises Stripe's 429, with its reason header."""
        if self._rate is None:
            return
        now = self._monotonic()
        self._tokens = min(self._rate, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1:
            raise StripeError(
                429,
                "Request rate limit exceeded. Learn more about rate limits "
                "https://stripe.com/docs/rate-limits.",
                code="rate_limit",
                headers={"Stripe-Rate-Limited-Reason": "global-rate"},
            )
        self._tokens -= 1


def _key_of(header: str) -> str | None:
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip() or None
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[0] or None
        except (binascii.Error, UnicodeDecodeError):
            return None
    return None


def _masked(key: str) -> str:
    return f"{key[:8]}{'*' * 8}{key[-4:]}" if len(key) > 16 else "*" * len(key)
