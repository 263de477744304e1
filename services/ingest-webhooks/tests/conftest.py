"""What the tests of ingest-webhooks share: a deployment file, signatures, fakes of the ports."""

import base64
import hashlib
import hmac
import time
from pathlib import Path
from types import SimpleNamespace

import orjson
import pytest
from ingest_webhooks.edge import Edge
from ingest_webhooks.endpoints import endpoints
from ingest_webhooks.settings import IngestSettings
from plumbline_runtime.config import load_config
from plumbline_runtime.producer import PublishFailed

PUBLIC_URL = "https://hooks.acme.example"
STRIPE_SECRET = "whsec_new"
OLD_STRIPE_SECRET = "whsec_old"
HUBSPOT_SECRET = "client-secret-for-tests"

CONFIG = """
[edge]
listen = "127.0.0.1:0"
public_url = "https://hooks.acme.example"
[workspace]
id = "acme"
currency = "EUR"
[connections.pay]
kind = "stripe"
mode = "test"
api_key = "env:TEST_STRIPE_KEY"
webhook_secrets = ["env:TEST_STRIPE_SECRET", "env:TEST_STRIPE_SECRET_OLD"]
[connections.crm]
kind = "hubspot"
mode = "test"
access_token = "env:TEST_HUBSPOT_TOKEN"
client_secret = "env:TEST_HUBSPOT_SECRET"
portal_id = "4242"
"""


@pytest.fixture
def deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TEST_STRIPE_KEY", "rk_test_1")
    monkeypatch.setenv("TEST_STRIPE_SECRET", STRIPE_SECRET)
    monkeypatch.setenv("TEST_STRIPE_SECRET_OLD", OLD_STRIPE_SECRET)
    monkeypatch.setenv("TEST_HUBSPOT_TOKEN", "token-1")
    monkeypatch.setenv("TEST_HUBSPOT_SECRET", HUBSPOT_SECRET)
    for name in ("PLUMBLINE_EDGE_LISTEN", "PLUMBLINE_PUBLIC_URL"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "plumbline.toml"
    path.write_text(CONFIG)
    return load_config(path)


def stripe_headers(body: bytes, *, secret: str = STRIPE_SECRET, at: float | None = None):
    stamp = str(int(time.time() if at is None else at))
    mac = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"stripe-signature": f"t={stamp},v1={mac}", "content-type": "application/json"}


def hubspot_headers(
    body: bytes,
    *,
    path: str = "/webhooks/acme/crm",
    secret: str = HUBSPOT_SECRET,
    at: float | None = None,
):
    stamp = str(int((time.time() if at is None else at) * 1000))
    text = f"POST{PUBLIC_URL}{path}".encode() + body + stamp.encode()
    mac = base64.b64encode(hmac.new(secret.encode(), text, hashlib.sha256).digest()).decode()
    return {
        "x-hubspot-signature-v3": mac,
        "x-hubspot-request-timestamp": stamp,
        "content-type": "application/json",
    }


def stripe_event(**changes) -> dict:
    event = {
        "id": "evt_1",
        "object": "event",
        "type": "customer.updated",
        "api_version": "2026-10-28.endive",
        "created": 1_800_000_000,
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "data": {
            "object": {
                "id": "cus_1",
                "object": "customer",
                "created": 1_790_000_000,
                "email": "ap@initech.example",
                "livemode": False,
                "metadata": {},
                "name": "Initech",
            },
            "previous_attributes": {"name": "Initec"},
        },
    }
    return event | changes


def hubspot_notification(**changes) -> dict:
    return {
        "eventId": 1,
        "subscriptionId": 9,
        "portalId": 4242,
        "appId": 777,
        "occurredAt": 1_800_000_000_000,
        "subscriptionType": "company.propertyChange",
        "attemptNumber": 0,
        "objectId": 100,
        "propertyName": "domain",
        "propertyValue": "initech.example",
        "changeSource": "CRM_UI",
        "sourceId": "userId:1",
    } | changes


class FakePublisher:
    """Stands for the runtime's producer; `down` makes it fail as Kafka's absence does."""

    def __init__(self) -> None:
        self.messages = []
        self.observations = []
        self.down = False
        self.gate = None
        self.timeouts = []

    async def publish(self, topic, message, *, timeout_seconds=None) -> None:
        self.timeouts.append(timeout_seconds)
        if self.gate is not None:
            await self.gate.wait()
        if self.down:
            raise PublishFailed("no broker answered")
        self.messages.append((topic.name, message))

    async def publish_observations(self, observations) -> None:
        if self.down:
            raise PublishFailed("no broker answered")
        self.observations.extend(observations)


class FakeReadiness:
    def __init__(self) -> None:
        self.ready = True

    async def report(self):
        return self.ready, {"ready": self.ready, "missing": []}


@pytest.fixture
def publisher() -> FakePublisher:
    return FakePublisher()


@pytest.fixture
def kit():
    """The plain functions of this file, for tests that cannot import it."""
    return SimpleNamespace(
        stripe_headers=stripe_headers,
        hubspot_headers=hubspot_headers,
        stripe_event=stripe_event,
        hubspot_notification=hubspot_notification,
        dumps=orjson.dumps,
        readiness=FakeReadiness,
        publisher=FakePublisher,
        old_secret=OLD_STRIPE_SECRET,
        public_url=PUBLIC_URL,
    )


@pytest.fixture
def make_edge(deployment, publisher):
    """An edge over a fake producer; keyword arguments replace settings."""

    def make(*, stopping=lambda: False, **settings) -> Edge:
        return Edge(
            endpoints(deployment, public_url=PUBLIC_URL, tolerance_seconds=300),
            publisher,
            FakeReadiness(),
            IngestSettings(**settings),
            stopping=stopping,
        )

    return make
