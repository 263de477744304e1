"""Looking at vendors: batches, merged and missing records, bad rows, 404s."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from ingest_webhooks.looks import HubSpotLook, StripeLook
from ingest_webhooks.store import DueRead
from ingest_webhooks.vendors import sources_of
from plumbline_connectors.hubspot.client import BatchRead
from plumbline_connectors.results import ReadResult
from plumbline_schemas.errors import MissingScopes, Permanent, Retryable, Unauthorized

BEGAN = datetime(2026, 11, 20, 12, 0, 5, tzinfo=UTC)
RECEIVED = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)


class FakeBudget:
    def __init__(self) -> None:
        self.calls = 0
        self.throttles = []

    async def acquire(self, purpose, cost=1) -> None:
        assert purpose == "read"
        self.calls += cost

    async def throttled(self, retry_after, *, daily=False) -> None:
        self.throttles.append(retry_after)


class FakeHubSpot:
    def __init__(self, records) -> None:
        self.records = records
        self.hidden_from_batches = set()
        self.batch_error = None
        self.direct_errors = {}
        self.calls = []

    async def batch_read(self, kind, ids, properties) -> BatchRead:
        self.calls.append(("batch", kind, tuple(ids)))
        if self.batch_error is not None:
            raise self.batch_error
        found = {
            i: self.records[i]
            for i in ids
            if i in self.records and i not in self.hidden_from_batches
        }
        return BatchRead(found, tuple(i for i in ids if i not in found), BEGAN)

    async def read(self, kind, vendor_id, properties) -> ReadResult:
        self.calls.append(("read", kind, vendor_id))
        if vendor_id in self.direct_errors:
            raise self.direct_errors[vendor_id]
        return ReadResult(self.records.get(vendor_id), BEGAN)


class FakeStripe:
    def __init__(self, objects) -> None:
        self.objects = objects
        self.errors = {}
        self.reads = []

    async def read(self, kind, vendor_id) -> ReadResult:
        self.reads.append((kind, vendor_id))
        if vendor_id in self.errors:
            raise self.errors[vendor_id]
        return ReadResult(self.objects.get(vendor_id), BEGAN)


def company(vendor_id: str, **properties) -> dict:
    return {
        "id": vendor_id,
        "properties": {"name": "Initech", "domain": "initech.example"} | properties,
        "createdAt": "2026-01-01T00:00:00.000Z",
        "updatedAt": "2026-11-20T11:59:59.250Z",
        "archived": False,
    }


def due(vendor_id: str, kind: str = "company", **changes) -> DueRead:
    return DueRead(kind, vendor_id, "test", "webhook", RECEIVED, 0)._replace(**changes)


@pytest.fixture
def hubspot(deployment):
    def make(records) -> SimpleNamespace:
        client, budget = FakeHubSpot(records), FakeBudget()
        context = sources_of(deployment)["acme", "crm"].context
        return SimpleNamespace(
            client=client, budget=budget, look=HubSpotLook(client, context, budget).look
        )

    return make


@pytest.fixture
def stripe(deployment):
    def make(objects) -> SimpleNamespace:
        client, budget = FakeStripe(objects), FakeBudget()
        context = sources_of(deployment)["acme", "pay"]
        look = StripeLook(client, context, budget, concurrency=4)
        return SimpleNamespace(client=client, budget=budget, look=look.look)

    return make


async def test_one_batch_for_each_kind(hubspot):
    h = hubspot({"1": company("1"), "2": company("2")})
    looks = await h.look([due("1"), due("2")])
    assert h.client.calls == [("batch", "company", ("1", "2"))]
    assert h.budget.calls == 1
    assert [one.id for one in looks.observations] == ["1", "2"]
    assert len(looks.done) == 2
    first = looks.observations[0]
    assert (first.seen, first.origin, first.event_id) == ("read", "webhook", None)
    assert first.received_at == RECEIVED
    assert first.vendor_time_ms == 1_795_175_999_250


async def test_a_record_the_batch_misses_is_deleted_only_when_a_direct_read_says_so(hubspot):
    h = hubspot({"2": company("2")})
    h.client.hidden_from_batches = {"2"}
    looks = await h.look([due("1"), due("2")])
    gone, found = looks.observations
    assert (gone.key, gone.deleted, gone.body) == ("acme/crm/company/1", True, None)
    assert gone.vendor_time_ms == int(BEGAN.timestamp() * 1000)
    assert (found.id, found.deleted) == ("2", False)
    assert len(looks.done) == 2


async def test_a_kind_without_a_scope_fails_alone(hubspot):
    h = hubspot({"1": company("1")})
    batch_read = h.client.batch_read

    async def refusing(kind, ids, properties):
        if kind == "company":
            return await batch_read(kind, ids, properties)
        raise MissingScopes("no", where="t", status=403, scopes=("crm.objects.contacts.read",))

    h.client.batch_read = refusing
    looks = await h.look([due("9", "contact"), due("1")])
    assert looks.refused is None
    assert [read.vendor_id for read in looks.done] == ["1"]
    [(read, error)] = looks.failed
    assert (read.vendor_id, str(error)) == (
        "9",
        "t: no; it takes the scope crm.objects.contacts.read",
    )


async def test_merged_ids_lead_to_one_observation_of_the_survivor(hubspot):
    survivor = company("3")
    h = hubspot({"1": survivor, "2": survivor, "3": survivor})
    looks = await h.look([due("1"), due("2"), due("3")])
    (observation,) = looks.observations
    assert observation.id == "3"
    assert set(observation.body.merged_ids) == {"1", "2"}
    assert len(looks.done) == 3


async def test_a_bad_row_does_not_hold_up_the_batch(hubspot):
    h = hubspot({"1": company("1"), "2": company("2")})
    bad = Permanent("HTTP 400", where="acme/crm", status=400)
    h.client.batch_error = bad
    h.client.direct_errors = {"x": bad}
    looks = await h.look([due("1"), due("x"), due("2")])
    assert [one.id for one in looks.observations] == ["1", "2"]
    assert [(read.vendor_id, error) for read, error in looks.failed] == [("x", bad)]


async def test_a_rate_limit_is_told_to_the_budget_and_all_rows_wait(hubspot):
    h = hubspot({})
    h.client.batch_error = Retryable(
        "HTTP 429", where="acme/crm", status=429, retry_after=7.0, rate_limited=True
    )
    looks = await h.look([due("1"), due("2")])
    assert h.budget.throttles == [7.0]
    assert len(looks.failed) == 2
    assert (looks.observations, looks.done) == ([], [])


async def test_refused_credentials_end_the_round_without_blaming_the_reads(hubspot, stripe):
    refusal = Unauthorized("HTTP 401", where="x", status=401)
    h = hubspot({"1": company("1")})
    h.client.batch_error = refusal
    looks = await h.look([due("1"), due("9", "contact")])
    assert looks.refused is refusal
    assert (looks.done, looks.failed, len(h.client.calls)) == ([], [], 1)
    s = stripe({})
    s.client.errors = {str(number): refusal for number in range(20)}
    looks = await s.look([due(str(number), "customer") for number in range(20)])
    assert looks.refused is refusal
    assert (looks.done, looks.failed) == ([], [])
    assert len(s.client.reads) <= 4


async def test_stripe_objects_are_read_one_by_one(stripe, kit):
    customer = kit.stripe_event()["data"]["object"]
    s = stripe({"cus_1": customer, "cus_2": {"id": "cus_2", "object": "customer", "deleted": True}})
    s.client.errors = {"cus_9": Retryable("HTTP 500", where="x", status=500)}
    reads = [due(i, "customer") for i in ("cus_1", "cus_2", "cus_3", "cus_9")]
    looks = await s.look(reads)
    by_id = {one.id: one for one in looks.observations}
    assert by_id["cus_1"].body.name == "Initech"
    assert by_id["cus_1"].vendor_time_ms == int(BEGAN.timestamp() * 1000)
    assert (by_id["cus_1"].received_at, by_id["cus_1"].event_id) == (RECEIVED, None)
    assert by_id["cus_2"].deleted
    assert "cus_3" not in by_id, "a 404 says nothing about a Stripe object"
    assert sorted(read.vendor_id for read in looks.done) == ["cus_1", "cus_2", "cus_3"]
    assert [read.vendor_id for read, _ in looks.failed] == ["cus_9"]
    assert s.budget.calls == 4


async def test_an_object_that_cannot_be_translated_waits_with_its_reason(stripe):
    s = stripe({"cus_1": {"id": "cus_1", "object": "customer", "livemode": True, "name": 5}})
    looks = await s.look([due("cus_1", "customer")])
    ((read, error),) = looks.failed
    assert read.vendor_id == "cus_1"
    assert str(error)


async def test_a_broken_database_is_not_blamed_on_the_vendor(stripe):
    s = stripe({})

    async def broken(purpose, cost=1) -> None:
        raise ConnectionResetError

    s.budget.acquire = broken
    with pytest.raises(ConnectionResetError):
        await s.look([due("cus_1", "customer"), due("cus_2", "customer")])


async def test_a_record_without_id_waits_with_its_reason(hubspot):
    h = hubspot({"1": company("1") | {"id": None}, "2": company("2")})
    looks = await h.look([due("1"), due("2")])
    assert [one.id for one in looks.observations] == ["2"]
    assert [read.vendor_id for read, _ in looks.failed] == ["1"]
