"""The webhook addresses of a deployment: who may post there and how they prove it."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from plumbline_connectors.hubspot import signature as hubspot_signature
from plumbline_connectors.stripe import signature as stripe_signature
from plumbline_connectors.stripe.head import decode_head
from plumbline_runtime.config import (
    DeploymentConfig,
    HubSpotConnection,
    StripeConnection,
)

from ingest_webhooks.deliveries import Source, delivery_key, digest, plain_id

RequestHeaders = Mapping[str, str]
SIGNATURE_HEADERS: Final = (
    "stripe-signature",
    hubspot_signature.HEADER_V3,
    hubspot_signature.HEADER_TIMESTAMP,
    hubspot_signature.HEADER_V1,
    hubspot_signature.HEADER_VERSION,
)
"""What the `verify` of an endpoint looks at."""


class Delivery(NamedTuple):
    """How a verified body is filed."""

    id: str
    key: str


class Endpoint(NamedTuple):
    """One address. `verify` raises SignatureError; `file` never fails, whatever the body is."""

    source: Source
    refused_status: int
    """Answer to a bad signature: what the vendor's own samples answer (400 Stripe, 401 HubSpot)."""
    verify: Callable[[bytes, RequestHeaders, str, float], None]
    """Body, headers (lower-case names), query string, Unix time."""
    file: Callable[[bytes], Delivery]


def endpoints(
    config: DeploymentConfig, *, public_url: str, tolerance_seconds: float
) -> dict[str, Endpoint]:
    """Every address by its path; resolves the secrets once, raising ConfigError naming the key.

    A HubSpot connection without `client_secret` has no address: nothing could be verified there.
    """
    found: dict[str, Endpoint] = {}
    for workspace in config.workspaces:
        for name, connection in workspace.connections.items():
            path = f"/webhooks/{workspace.id}/{name}"
            if isinstance(connection, StripeConnection):
                source = Source(workspace.id, name, "stripe")
                found[path] = _stripe(source, connection, tolerance_seconds)
            elif connection.client_secret is not None:
                source = Source(workspace.id, name, "hubspot")
                url = public_url.rstrip("/") + path
                found[path] = _hubspot(source, connection, url, tolerance_seconds)
    return found


def _stripe(source: Source, connection: StripeConnection, tolerance: float) -> Endpoint:
    secrets = [secret.resolve().encode() for secret in connection.webhook_secrets]

    def verify(body: bytes, headers: RequestHeaders, _query: str, now: float) -> None:
        stripe_signature.verify(
            body, headers.get("stripe-signature"), secrets, now=now, tolerance_seconds=tolerance
        )

    return Endpoint(source, 400, verify, lambda body: _file_stripe(source, body))


def _hubspot(source: Source, connection: HubSpotConnection, url: str, tolerance: float) -> Endpoint:
    assert connection.client_secret is not None
    secrets = [connection.client_secret.resolve()]
    tolerance_ms = int(tolerance * 1000)

    def verify(body: bytes, headers: RequestHeaders, query: str, now: float) -> None:
        hubspot_signature.verify(
            "POST",
            f"{url}?{query}" if query else url,
            body,
            headers,
            secrets,
            now_ms=int(now * 1000),
            tolerance_ms=tolerance_ms,
        )

    return Endpoint(source, 401, verify, lambda body: _file_unread(source, body))


def _file_stripe(source: Source, body: bytes) -> Delivery:
    try:
        head = decode_head(body)
    except ValueError:
        return _file_unread(source, body)  # observe dead-letters it with the reason
    key = delivery_key(
        source,
        body,
        event_id=head.id,
        kind=head.object_kind,
        object_id=head.object_id,
        customer_id=head.customer_id,
    )
    return Delivery(plain_id(head.id) or digest(body), key)


def _file_unread(source: Source, body: bytes) -> Delivery:
    """File by the bytes alone: HubSpot posts up to 100 notifications of many objects at once."""
    return Delivery(digest(body), delivery_key(source, body))
