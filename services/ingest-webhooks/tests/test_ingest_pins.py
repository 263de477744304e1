"""Notifications of another portal than the pinned one are dead letters, whatever the file says."""

from datetime import UTC, datetime

import pytest
from ingest_webhooks.consume import ObserveHandler
from ingest_webhooks.deliveries import Source, delivery_headers
from ingest_webhooks.vendors import sources_of
from plumbline_runtime.postgres import create_pool
from plumbline_runtime.records import Batch, Record
from plumbline_schemas.topics import WEBHOOKS_RECEIVED

pytestmark = pytest.mark.server

KEY = ("acme", "crm")


class Letters:
    def __init__(self) -> None:
        self.reasons = []

    async def send(self, record, topic, *, reason, error, connection="") -> None:
        self.reasons.append((reason, connection))


@pytest.fixture
async def pool(database_url):
    pool = await create_pool(database_url)
    yield pool
    await pool.close()


async def test_the_pin_stands_in_for_a_portal_that_the_file_does_not_name(
    pool, deployment, publisher, kit
):
    sources = dict(sources_of(deployment))
    sources[KEY] = sources[KEY]._replace(portal_id=None)
    letters = Letters()
    handler = ObserveHandler(
        sources, pool=pool, producer=publisher, dead_letters=letters, wake_readers=lambda: None
    )
    await pool.execute(
        """insert into runtime.offsets (group_id, topic, partition, next_offset)
           values ('observe', $1, 0, 0)""",
        WEBHOOKS_RECEIVED.name,
    )
    headers = delivery_headers(
        Source(*KEY, "hubspot"), delivery_id="d", key="k", received_at=datetime.now(UTC)
    )

    async def deliver(offset: int, object_id: int) -> None:
        body = kit.dumps([kit.hubspot_notification(portalId=1, objectId=object_id)])
        record = Record(WEBHOOKS_RECEIVED.name, 0, offset, 0, b"k", body, tuple(headers))
        await handler.handle(
            Batch(WEBHOOKS_RECEIVED, 0, [record], group="observe", position=offset)
        )

    await deliver(0, 100)
    assert letters.reasons == []
    await pool.execute(
        "insert into connection.pins (workspace, connection, account_id) values ($1, $2, '4242')",
        *KEY,
    )
    await deliver(1, 200)
    assert letters.reasons == [("wrong_account", "acme/crm")]
    assert await pool.fetch("select vendor_id from ingest_webhooks.reads") == [("100",)]
