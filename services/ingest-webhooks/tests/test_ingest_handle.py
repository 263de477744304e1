"""Deciding what a delivery means: every kind of bad record, echoes, coalesced reads."""

from datetime import UTC, datetime, timedelta

import pytest
from ingest_webhooks.deliveries import Source, delivery_headers, read_origin
from ingest_webhooks.handle import Dead, decide, echo_candidates, understand
from ingest_webhooks.refresh import understand_request
from ingest_webhooks.store import ReadWish, coalesce
from ingest_webhooks.vendors import sources_of
from plumbline_runtime.records import Record

RECEIVED = datetime(2026, 11, 20, 12, 0, 0, 123_000, UTC)


@pytest.fixture
def sources(deployment):
    return sources_of(deployment)


@pytest.fixture
def record():
    def make(body: bytes | None, *, connection="pay", vendor="stripe", workspace="acme") -> Record:
        headers = delivery_headers(
            Source(workspace, connection, vendor), delivery_id="d", key="k", received_at=RECEIVED
        )
        return Record("webhooks.received.v1", 0, 7, 0, b"k", body, tuple(headers))

    return make


@pytest.fixture
def notified(record, sources, kit):
    """Decide one HubSpot delivery of the given notifications."""

    def run(*rows, desired=None):
        body = kit.dumps([kit.hubspot_notification(**row) for row in rows])
        understood = [understand(record(body, connection="crm", vendor="hubspot"), sources)]
        return decide(understood, {("acme", "crm"): desired or {}})

    return run


def test_what_the_edge_writes_is_what_observe_reads(record):
    origin = read_origin(record(b"").headers)
    assert origin == ("acme", "pay", "stripe", RECEIVED)


def test_a_stripe_event_becomes_an_observation_and_news_of_its_connection(record, sources, kit):
    plan = decide([understand(record(kit.dumps(kit.stripe_event())), sources)], {})
    (observation,) = plan.observations
    assert observation.key == "acme/pay/customer/cus_1"
    assert observation.event_id == "evt_1"
    assert observation.received_at == RECEIVED
    assert plan.last_events == {("acme", "pay"): RECEIVED}
    assert (plan.wishes, plan.dead) == ([], [])


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not_json"),
        (None, "not_json"),
        (b"not json", "not_json"),
        (b"\xff\xfe{}", "not_json"),
        (b"[1, 2]", "not_an_event"),
        (b'"text"', "not_an_event"),
        (b'{"object": "customer"}', "not_an_event"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "too_deep"),
    ],
)
@pytest.mark.parametrize("connection", ["pay", "crm"])
def test_bad_bodies_are_dead_letters_with_their_reason(record, sources, body, reason, connection):
    vendor = "stripe" if connection == "pay" else "hubspot"
    dead = understand(record(body, connection=connection, vendor=vendor), sources)
    assert isinstance(dead, Dead)
    assert dead.reason == reason
    assert dead.source == f"acme/{connection}"


def test_the_other_mode_is_a_dead_letter(record, sources, kit):
    event = kit.stripe_event(livemode=True)
    event["data"]["object"]["livemode"] = True
    dead = understand(record(kit.dumps(event)), sources)
    assert isinstance(dead, Dead)
    assert dead.reason == "wrong_mode"


def test_an_unknown_type_is_a_counted_skip(record, sources, kit):
    event = kit.stripe_event(type="galaxy.exploded", data={"object": {"object": "galaxy"}})
    plan = decide([understand(record(kit.dumps(event)), sources)], {})
    assert sum(plan.skipped.values()) == 1
    assert (plan.observations, plan.wishes, plan.dead) == ([], [], [])


def test_an_unknown_api_version_does_not_lose_the_event(record, sources, kit):
    event = kit.stripe_event(api_version="2031-01-01.zebra")
    plan = decide([understand(record(kit.dumps(event)), sources)], {})
    assert len(plan.observations) + len(plan.dead) + sum(plan.skipped.values()) == 1


def test_nul_in_text_does_not_reach_the_log(record, sources, kit):
    event = kit.stripe_event()
    event["data"]["object"]["name"] = "Ini\u0000tech"
    plan = decide([understand(record(kit.dumps(event)), sources)], {})
    assert not any("\u0000" in one.model_dump_json() for one in plan.observations)
    assert "\\u0000" not in plan.observations[0].model_dump_json()


def test_a_read_of_what_a_delivery_left_out_waits_for_a_later_second(record, sources, kit):
    event = kit.stripe_event()
    price = {"id": "price_1", "object": "price", "currency": "usd", "unit_amount": 100}
    item = {"id": "si_1", "object": "subscription_item", "price": price}
    event["data"]["object"] = {
        "id": "sub_1",
        "object": "subscription",
        "customer": "cus_1",
        "status": "active",
        "items": {"object": "list", "data": [item], "has_more": True},
    }
    event["type"] = "customer.subscription.created"
    plan = decide([understand(record(kit.dumps(event)), sources)], {})
    assert plan.dead == []
    (wish,) = plan.wishes
    assert wish.reason == "items_truncated"
    assert wish.not_before == RECEIVED + timedelta(seconds=2)


def test_a_thin_event_becomes_a_read(record, sources, kit):
    thin = {
        "id": "evt_thin",
        "object": "v2.core.event",
        "type": "v1.customer.subscription.updated",
        "created": "2026-11-20T12:00:00.000Z",
        "livemode": False,
        "related_object": {
            "id": "sub_1",
            "type": "subscription",
            "url": "/v1/subscriptions/sub_1",
        },
    }
    plan = decide([understand(record(kit.dumps(thin)), sources)], {})
    (wish,) = plan.wishes
    assert wish.target == ("acme", "pay", "subscription", "sub_1")
    assert wish.requested_at == RECEIVED
    assert wish.not_before is None


@pytest.mark.parametrize("where", [{"connection": "gone"}, {"workspace": "gone"}])
def test_a_connection_that_is_no_longer_configured_is_a_dead_letter(record, sources, where):
    dead = understand(record(b"{}", **where), sources)
    assert isinstance(dead, Dead)
    assert dead.reason == "unknown_connection"


def test_a_connection_that_changed_its_vendor_is_a_dead_letter(record, sources):
    dead = understand(record(b"[]", connection="pay", vendor="hubspot"), sources)
    assert isinstance(dead, Dead)
    assert dead.reason == "unknown_connection"


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("plumbline-workspace", b"acme"),),
        (("plumbline-workspace", None), ("plumbline-connection", b"\xff")),
        (
            ("plumbline-workspace", b"acme"),
            ("plumbline-connection", b"pay"),
            ("plumbline-vendor", b"stripe"),
            ("plumbline-received-at", b"yesterday"),
        ),
    ],
)
def test_records_nobody_signed_for_are_dead_letters(sources, headers):
    dead = understand(Record("t", 0, 0, 0, None, b"{}", headers), sources)
    assert isinstance(dead, Dead)
    assert dead.reason == "invalid"


@pytest.mark.parametrize("action", ["creation", "deletion", "restore", "propertyChange"])
@pytest.mark.parametrize("kind", ["company", "contact"])
def test_news_of_a_record_is_a_read(notified, kind, action):
    plan = notified({"subscriptionType": f"{kind}.{action}", "objectId": 5})
    (wish,) = plan.wishes
    assert wish.target == ("acme", "crm", kind, "5")
    assert (wish.origin, wish.received_at) == ("webhook", RECEIVED)


def test_a_merge_reads_the_new_record_and_the_old_ids(notified):
    plan = notified(
        {
            "subscriptionType": "company.merge",
            "objectId": 3,
            "primaryObjectId": 1,
            "mergedObjectIds": [2],
            "newObjectId": 3,
        }
    )
    assert sorted(wish.vendor_id for wish in plan.wishes) == ["1", "2", "3"]


@pytest.mark.parametrize("name", ["deal.creation", "conversation.newMessage", "company.elope"])
def test_notifications_of_other_things_are_counted_skips(notified, name):
    plan = notified({"subscriptionType": name})
    assert plan.wishes == []
    assert plan.skipped == {"unhandled_type": 1}


@pytest.mark.parametrize("object_id", [None, "", "a b", "x" * 400])
def test_an_impossible_object_id_is_a_counted_skip(notified, object_id):
    plan = notified({"objectId": object_id})
    assert plan.wishes == []
    assert plan.skipped == {"bad_object_id": 1}


def test_another_portal_is_refused(notified):
    plan = notified({"portalId": 1}, {"portalId": 1})
    assert [dead.reason for dead in plan.dead] == ["wrong_account"]
    assert plan.wishes == []
    mixed = notified({"portalId": 1}, {"objectId": 8})
    assert mixed.dead == []
    assert mixed.skipped == {"wrong_account": 1}
    assert [wish.vendor_id for wish in mixed.wishes] == ["8"]


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("plumbline_mrr", "83.330", "83.33"),
        ("plumbline_plan", "", None),
        ("plumbline_last_synced_at", "1795176000123", "2026-11-20T12:00:00.123Z"),
    ],
)
def test_our_own_value_coming_back_costs_no_read(notified, name, value, wanted):
    row = {"propertyName": name, "propertyValue": value, "changeSource": "API"}
    plan = notified(row, desired={"100": {name: wanted}})
    assert plan.wishes == []
    assert plan.skipped == {"own_value": 1}


@pytest.mark.parametrize(
    ("row", "desired"),
    [
        ({"propertyName": "plumbline_mrr", "propertyValue": "99"}, {"plumbline_mrr": "83.33"}),
        ({"propertyName": "plumbline_mrr", "propertyValue": "83.33"}, {}),
        ({"propertyName": "domain", "propertyValue": "x.example"}, {"domain": "x.example"}),
    ],
)
def test_any_other_change_is_read(notified, row, desired):
    assert len(notified(row, desired={"100": desired}).wishes) == 1


def test_a_change_that_names_our_app_costs_no_read(notified):
    row = {"propertyName": "plumbline_mrr", "propertyValue": "1", "changeSource": "INTEGRATION"}
    assert notified(row | {"sourceId": "777"}).skipped == {"own_write": 1}
    assert len(notified(row | {"sourceId": "888"}).wishes) == 1


def test_only_changes_of_mapped_properties_need_the_desired_values(record, sources, kit):
    rows = [
        kit.hubspot_notification(objectId=1, propertyName="plumbline_mrr"),
        kit.hubspot_notification(objectId=2, propertyName="domain"),
        kit.hubspot_notification(objectId=3, subscriptionType="company.deletion"),
    ]
    delivery = understand(record(kit.dumps(rows), connection="crm", vendor="hubspot"), sources)
    assert echo_candidates([delivery]) == {("acme", "crm"): ["1"]}


def test_reads_of_one_object_coalesce_to_the_newest():
    first = ReadWish("a", "c", "company", "1", "x", "webhook", RECEIVED, RECEIVED)
    later = RECEIVED + timedelta(seconds=3)
    second = ReadWish("a", "c", "company", "1", "y", "reconcile", later, later, later)
    other = ReadWish("a", "c", "company", "0", "x", "webhook", RECEIVED, RECEIVED)
    for order in ([first, second, other], [other, second, first]):
        assert coalesce(order) == [
            other,
            ReadWish("a", "c", "company", "1", "y", "webhook", later, RECEIVED, later),
        ]


def request(key: str, **changes) -> Record:
    fields = {"key": key, "reason": "tie", "requested_at": RECEIVED.isoformat()} | changes
    pairs = ",".join(f'"{name}":"{value}"' for name, value in fields.items())
    return Record("refresh.requests.v1", 0, 0, 0, None, f"{{{pairs}}}".encode(), ())


def test_a_refresh_request_becomes_a_read(sources):
    at = RECEIVED + timedelta(seconds=2)
    wish = understand_request(
        request("acme/pay/customer/cus_1", not_before=at.isoformat()), sources
    )
    assert isinstance(wish, ReadWish)
    assert wish.target == ("acme", "pay", "customer", "cus_1")
    assert (wish.not_before, wish.origin) == (at, "reconcile")


def test_a_reason_with_text_no_database_takes_is_cleaned(sources):
    wish = understand_request(request("acme/pay/customer/cus_1", reason="a\\u0000b" * 300), sources)
    assert isinstance(wish, ReadWish)
    assert "\0" not in wish.reason
    assert len(wish.reason) <= 500


@pytest.mark.parametrize(
    ("record_", "reason"),
    [
        (Record("t", 0, 0, 0, None, b"nonsense", ()), "invalid"),
        (Record("t", 0, 0, 0, None, None, ()), "invalid"),
        (Record("t", 0, 0, 0, None, b"{}", ()), "invalid"),
        (request("no key"), "invalid"),
        (request("acme/pay/customer/a b"), "invalid"),
        (request("acme/pay/company/1"), "unknown_kind"),
        (request("acme/crm/customer/1"), "unknown_kind"),
        (request("acme/none/customer/1"), "unknown_connection"),
    ],
)
def test_bad_refresh_requests_are_dead_letters(sources, record_, reason):
    dead = understand_request(record_, sources)
    assert isinstance(dead, Dead)
    assert dead.reason == reason
