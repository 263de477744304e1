"""The unmodified stripe package against the simulator: objects, lists, expansion, errors."""

import base64

import httpx
import pytest
import stripe

KEY = "sk_test_contract_suite"
RESTRICTED_KEY = "rk_test_contract_suite"


async def test_a_customer_is_created_read_changed_and_deleted(rig):
    made = await rig.customer(
        name="Acme", email="billing@acme.example", metadata={"crm_id": "77", "team": "a"}
    )
    assert made.id.startswith("cus_")
    assert made.created == 1768478400
    assert made.livemode is False

    changed = await rig.call(
        rig.client.v1.customers.update, made.id, {"metadata": {"team": ""}, "name": "Acme Inc"}
    )
    assert changed.metadata.to_dict() == {"crm_id": "77"}
    read = await rig.call(rig.client.v1.customers.retrieve, made.id)
    assert (read.name, read.email) == ("Acme Inc", "billing@acme.example")

    gone = await rig.call(rig.client.v1.customers.delete, made.id)
    assert gone.deleted is True
    stub = await rig.call(rig.client.v1.customers.retrieve, made.id)
    assert stub.to_dict() == {"id": made.id, "object": "customer", "deleted": True}
    with pytest.raises(stripe.InvalidRequestError):
        await rig.call(rig.client.v1.customers.update, made.id, {"name": "x"})


async def test_prices_keep_decimals_tiers_and_transforms(rig):
    product = await rig.call(rig.client.v1.products.create, {"name": "Usage"})
    exact = await rig.call(
        rig.client.v1.prices.create,
        {
            "product": product.id,
            "currency": "eur",
            "unit_amount_decimal": "0.5",
            "recurring": {"interval": "year", "interval_count": 2},
            "transform_quantity": {"divide_by": 10, "round": "up"},
        },
    )
    assert exact.unit_amount is None
    assert str(exact.unit_amount_decimal) == "0.5"
    assert exact.recurring.interval_count == 2
    assert exact.transform_quantity.divide_by == 10
    tiered = await rig.call(
        rig.client.v1.prices.create,
        {
            "product": product.id,
            "currency": "eur",
            "billing_scheme": "tiered",
            "tiers_mode": "graduated",
            "recurring": {"interval": "month"},
            "tiers": [{"up_to": 10, "unit_amount": 100}, {"up_to": "inf", "unit_amount": 80}],
        },
    )
    assert "tiers" not in tiered
    expanded = await rig.call(rig.client.v1.prices.retrieve, tiered.id, {"expand": ["tiers"]})
    assert [tier.up_to for tier in expanded.tiers] == [10, None]


async def test_lists_page_both_ways_newest_first(rig):
    made = [(await rig.customer(name=f"List {n}")).id for n in range(25)]

    def walk():
        return [c.id for c in rig.client.v1.customers.list({"limit": 7}).auto_paging_iter()]

    assert (await rig.call(walk))[:25] == made[::-1]
    page = await rig.call(rig.client.v1.customers.list)
    assert len(page.data) == 10
    assert page.has_more is True
    assert page.url == "/v1/customers"
    newer = await rig.call(rig.client.v1.customers.list, {"ending_before": made[10], "limit": 3})
    assert [c.id for c in newer.data] == made[11:14][::-1]
    for limit in (0, 101):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await rig.call(rig.client.v1.customers.list, {"limit": limit})
        assert refused.value.param == "limit"
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await rig.call(rig.client.v1.customers.list, {"starting_after": "cus_unknown"})
    assert refused.value.param == "starting_after"


async def test_lists_filter_by_created_and_email(rig):
    await rig.advance(3600)
    late = await rig.customer(email="only@late.example")
    found = await rig.call(
        rig.client.v1.customers.list, {"created": {"gte": late.created}, "limit": 100}
    )
    assert [c.id for c in found.data] == [late.id]
    older = await rig.call(rig.client.v1.customers.list, {"created": {"lt": late.created}})
    assert late.id not in [c.id for c in older.data]
    by_mail = await rig.call(rig.client.v1.customers.list, {"email": "only@late.example"})
    assert [c.id for c in by_mail.data] == [late.id]


async def test_subscription_lists_leave_out_canceled_ones_unless_asked(rig):
    customer = await rig.customer()
    kept = await rig.subscription(customer)
    ended = await rig.subscription(customer)
    await rig.call(rig.client.v1.subscriptions.cancel, ended.id)

    async def listed(**more):
        page = await rig.call(rig.client.v1.subscriptions.list, {"customer": customer.id, **more})
        return {s.id for s in page.data}

    assert await listed() == {kept.id}
    assert await listed(status="all") == {kept.id, ended.id}
    assert await listed(status="canceled") == {ended.id}
    assert await listed(status="ended") == {ended.id}
    assert await listed(status="active") == {kept.id}


async def test_expansion_replaces_ids_on_objects_and_lists(rig):
    customer = await rig.customer(name="Expanded")
    made = await rig.subscription(customer)
    assert made.customer == customer.id
    assert made.latest_invoice.startswith("in_")
    read = await rig.call(
        rig.client.v1.subscriptions.retrieve,
        made.id,
        {"expand": ["customer", "latest_invoice.payments", "items.data.price.product"]},
    )
    assert read.customer.name == "Expanded"
    assert read.latest_invoice.payments.data[0].status == "paid"
    assert read["items"].data[0].price.product.name == "Pro"
    again = await rig.call(rig.client.v1.subscriptions.retrieve, made.id)
    assert isinstance(again["items"].data[0].price.product, str)
    page = await rig.call(
        rig.client.v1.subscriptions.list,
        {"customer": customer.id, "expand": ["data.customer", "data.latest_invoice"]},
    )
    assert page.data[0].customer.id == customer.id
    assert page.data[0].latest_invoice.status == "paid"
    with_subscriptions = await rig.call(
        rig.client.v1.customers.retrieve, customer.id, {"expand": ["subscriptions"]}
    )
    assert with_subscriptions.subscriptions.data[0].id == made.id
    for path in ("livemode", "a.b.c.d.e", "nonsense"):
        with pytest.raises(stripe.InvalidRequestError):
            await rig.call(rig.client.v1.customers.retrieve, customer.id, {"expand": [path]})


async def test_more_than_ten_items_are_a_page_of_their_own(rig):
    customer = await rig.customer()
    prices = [await rig.price(amount=100 + n) for n in range(12)]
    made = await rig.call(
        rig.client.v1.subscriptions.create,
        {"customer": customer.id, "items": [{"price": price.id} for price in prices]},
    )
    assert len(made["items"].data) == 10
    assert made["items"].has_more is True

    def walk():
        listing = rig.client.v1.subscription_items.list({"subscription": made.id, "limit": 5})
        return [item.id for item in listing.auto_paging_iter()]

    names = await rig.call(walk)
    assert len(set(names)) == 12
    one = await rig.call(rig.client.v1.subscription_items.retrieve, names[-1])
    assert one.subscription == made.id


async def test_refusals_become_the_sdks_exceptions(rig):
    with pytest.raises(stripe.InvalidRequestError) as missing:
        await rig.call(rig.client.v1.customers.retrieve, "cus_none")
    assert missing.value.http_status == 404
    assert missing.value.code == "resource_missing"
    assert missing.value.request_id.startswith("req_")
    with pytest.raises(stripe.InvalidRequestError) as unknown:
        await rig.call(rig.client.v1.customers.create, {"nickname": "x"})
    assert unknown.value.code == "parameter_unknown"
    assert unknown.value.param == "nickname"
    with pytest.raises(stripe.AuthenticationError):
        await rig.call(rig.another_client("sk_test_wrong_wrong_wrong").v1.customers.list)
    restricted = rig.another_client(RESTRICTED_KEY)
    await rig.call(restricted.v1.customers.list)
    with pytest.raises(stripe.PermissionError) as forbidden:
        await rig.call(restricted.v1.customers.create, {"name": "x"})
    assert "customers_write" in str(forbidden.value)


async def test_a_declined_first_payment_is_a_card_error_when_asked(rig):
    customer = await rig.customer(payment_method="pm_card_chargeCustomerFail")
    with pytest.raises(stripe.CardError) as declined:
        await rig.subscription(customer, payment_behavior="error_if_incomplete")
    assert declined.value.http_status == 402
    assert declined.value.code == "card_declined"
    page = await rig.call(
        rig.client.v1.subscriptions.list, {"customer": customer.id, "status": "all"}
    )
    assert page.data == []


async def test_unknown_paths_are_refused_and_the_headers_are_stripes(rig):
    async with httpx.AsyncClient(base_url=rig.sim.base_url, trust_env=False) as http:
        basic = base64.b64encode(f"{KEY}:".encode()).decode()
        headers = {"Authorization": f"Basic {basic}", "Stripe-Version": "2025-03-31.basil"}
        answer = await http.get("/v1/account", headers=headers)
        assert answer.status_code == 200
        assert answer.headers["stripe-version"] == "2025-03-31.basil"
        assert answer.headers["date"].startswith("Thu, 15 Jan 2026 1")
        for method, path in (
            ("GET", "/v1/nonsense"),
            ("PUT", "/v1/customers"),
            ("GET", "/v2/core/events"),
            ("POST", "/v1/customers/cus_1/wash"),
            ("GET", "/"),
        ):
            refused = await http.request(method, path, headers=headers)
            assert refused.status_code == 404
            assert refused.json()["error"]["type"] == "invalid_request_error"
            assert "Unrecognized request URL" in refused.json()["error"]["message"]
        assert (await http.get("/v1/account")).status_code == 401
        odd = await http.get("/v1/account", headers={**headers, "Stripe-Version": "latest"})
        assert odd.status_code == 400
    account = await rig.call(rig.client.v1.accounts.retrieve_current)
    assert account.id == "acct_1PlumblineSimulator"


async def test_every_object_has_every_field_of_its_shape(rig):
    subscription = (await rig.subscription()).to_dict()
    assert subscription["pause_collection"] is None
    assert subscription["status_details"] is None
    assert subscription["items"]["data"][0]["billed_until"] is None
    invoice = (await rig.latest_invoice(subscription["id"])).to_dict()
    assert invoice["parent"]["subscription_details"]["subscription"] == subscription["id"]
    line = invoice["lines"]["data"][0]
    assert line["pricing"]["price_details"]["price"].startswith("price_")
    assert line["amount"] == 2000
    assert "subscription" not in invoice
