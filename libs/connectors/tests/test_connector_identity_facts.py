"""What identifies a company: tax ids, town and country, as the vendors give them."""

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from plumbline_connectors.hubspot.translate import HubSpotContext, translate_record
from plumbline_connectors.stripe.client import open_stripe
from plumbline_connectors.stripe.translate import StripeContext, translate_event, translate_object
from plumbline_schemas.billing import BillingCustomer
from plumbline_schemas.crm import CrmRecord
from plumbline_simulators.stripe.simulator import DEFAULT_KEY, StripeSettings, stripe_simulator

START = datetime(2026, 11, 20, 10, tzinfo=UTC)
CONTEXT = StripeContext("acme", "stripe", livemode=False)
HUBSPOT = HubSpotContext("acme", "hubspot", {}, "vat_number")
TAX_IDS = {
    "object": "list",
    "data": [{"id": "txi_2", "value": "DE136695976"}, {"id": "txi_1", "value": "ATU13585627"}],
}


def customer(**fields: Any) -> BillingCustomer:
    told = translate_object(
        {"id": "cus_1", "object": "customer", "livemode": False, **fields},
        CONTEXT,
        seen="read",
        origin="walk",
        vendor_time_ms=0,
        received_at=START,
    )
    assert told is not None
    assert isinstance(told.body, BillingCustomer)
    return told.body


def test_a_customer_is_where_its_address_is_else_where_goods_are_sent() -> None:
    shipping = {"phone": "+49 30 1234567", "address": {"city": "Bonn", "postal_code": "53111"}}
    body = customer(address={"city": "Berlin", "country": "DE"}, shipping=shipping)
    assert (body.city, body.country, body.postal_code) == ("Berlin", "DE", None)
    assert body.phone == "+49 30 1234567"
    body = customer(address={"city": None, "country": ""}, shipping=shipping, phone="1")
    assert (body.city, body.country, body.postal_code, body.phone) == ("Bonn", None, "53111", "1")


def test_tax_ids_are_told_when_they_are_expanded() -> None:
    assert customer(tax_ids=TAX_IDS).tax_ids == ("ATU13585627", "DE136695976")
    assert customer(tax_ids={"object": "list", "data": []}).tax_ids == ()
    assert customer(tax_ids=None).tax_ids is None
    assert customer(metadata={"tax_id": "DE136695976"}).tax_id == "DE136695976"


def test_an_event_of_a_tax_id_leads_to_its_customer() -> None:
    event = {
        "id": "evt_1",
        "object": "event",
        "type": "customer.tax_id.created",
        "created": 1,
        "livemode": False,
        "data": {"object": {"id": "txi_1", "object": "tax_id", "customer": "cus_1"}},
    }
    told = translate_event(json.dumps(event).encode(), CONTEXT, received_at=START)
    assert [read.key for read in told.reads] == ["acme/stripe/customer/cus_1"]


async def test_reads_and_lists_tell_tax_ids() -> None:
    async with stripe_simulator(StripeSettings(start=START, frozen=True)) as simulator:
        given = [{"type": "eu_vat", "value": "DE136695976"}]
        seeded = {"customers": [{"id": "cus_1", "tax_id_data": given}]}
        async with httpx.AsyncClient(trust_env=False) as calls:
            answer = await calls.post(f"{simulator.control_url}/control/seed", json=seeded)
        answer.raise_for_status()
        client = open_stripe(api_base=simulator.base_url, api_key=DEFAULT_KEY, where="acme/stripe")
        read = (await client.read("customer", "cus_1")).obj
        page = await client.page("customer", starting_after=None)
        await client.aclose()
    for found in (read, page.rows[0]):
        assert found is not None
        assert customer(**found).tax_ids == ("DE136695976",)


@pytest.mark.parametrize("status", [400, 403])
async def test_a_key_that_may_not_expand_tax_ids_reads_customers_without(
    vendor: Any, status: int
) -> None:
    """It is asked for once: from then on nobody does."""
    refused = json.dumps({"error": {"message": "This property cannot be expanded (tax_ids)."}})
    vendor.on("GET", "/v1/customers/cus_1", refused.encode(), status=status)
    vendor.on("GET", "/v1/customers/cus_1", b'{"id": "cus_1"}')
    client = open_stripe(api_base=vendor.url, api_key="rk_test_1", where="acme/stripe")
    assert (await client.read("customer", "cus_1")).obj == {"id": "cus_1"}
    assert (await client.read("customer", "cus_1")).obj == {"id": "cus_1"}
    await client.aclose()
    asked = ["tax_ids" in str(call) for call in vendor.calls]
    assert asked == [True, False, False]


def test_a_company_says_where_it_is_and_its_tax_id() -> None:
    properties = {
        "name": "Acme",
        "city": "Wien",
        "country": "Austria",
        "zip": "1010",
        "vat_number": "ATU 1358 5627; DE136695976",
        "hs_parent_company_id": "9000",
    }
    told = translate_record(
        "company",
        {"id": "9001", "properties": properties},
        HUBSPOT,
        seen="read",
        origin="webhook",
        received_at=START,
    )
    body = told.body
    assert isinstance(body, CrmRecord)
    assert (body.city, body.country, body.postal_code) == ("Wien", "Austria", "1010")
    assert body.tax_ids == ("ATU 1358 5627", "DE136695976")
    assert body.parent_id == "9000"
