"""What reads ask for beyond what comes unasked, and what they put in place."""

from typing import Any

import pytest
from plumbline_connectors.stripe.client import StripeClient, open_stripe
from plumbline_connectors.stripe.kinds import KINDS
from plumbline_connectors.stripe.paths import PATHS, SENT_ON, expansions
from plumbline_connectors.stripe.payments import charge_body
from plumbline_connectors.stripe.reading import Fields
from plumbline_schemas.errors import Permanent, Unauthorized
from plumbline_schemas.observations import BILLING_KINDS

NONE = {"error": {"message": "nothing here"}}


def connect(vendor: Any) -> StripeClient:
    return open_stripe(api_base=vendor.url, api_key="sk_test_x", where="acme/stripe")


def expanded(call: Any) -> list[str]:
    return [value for name, value in call.query if name == "expand[]"]


def test_every_kind_that_is_kept_is_read_and_no_expansion_is_too_deep() -> None:
    assert set(PATHS) == BILLING_KINDS == {kind.name for kind in KINDS.values()}
    for kind in PATHS:
        for listed in (False, True):
            for _, name in expansions(kind, listed=listed):
                assert len(name.split(".")) <= 4, name
                assert name.startswith("data.") is listed


async def test_a_subscription_comes_with_its_discounts_and_their_coupons(vendor: Any) -> None:
    limited = {"id": "co_2", "applies_to": {"products": ["prod_1"]}}
    found = {
        "id": "sub_1", "object": "subscription", "items": {"data": [], "has_more": False},
        "discounts": [
            {"id": "di_1", "source": {"coupon": {"id": "co_1"}}},
            {"id": "di_2", "source": {"coupon": limited}},
            {"id": "di_3", "source": {"coupon": {"id": "co_3", "deleted": True}}},
            {"id": "di_4", "source": {"coupon": "co_4"}}, "di_5",
        ],
    }  # fmt: skip
    vendor.on("GET", "/v1/subscriptions/sub_1", found)
    client = connect(vendor)
    read = (await client.read("subscription", "sub_1")).obj
    await client.aclose()
    assert read is not None
    assert expanded(vendor.calls[0]) == [
        "discounts.source.coupon.applies_to", "items.data.discounts",
    ]  # fmt: skip
    coupons = [one["source"]["coupon"] for one in read["discounts"][:3]]
    assert coupons[0] == {"id": "co_1", "applies_to": None}
    assert coupons[1] == limited
    assert "applies_to" not in coupons[2]


def paying(intent: str, invoice: str = "in_1", **more: Any) -> dict[str, Any]:
    payment = {"type": "payment_intent", "payment_intent": intent}
    row = {"id": "inpay_1", "object": "invoice_payment", "invoice": invoice, "payment": payment}
    return {"object": "list", "data": [row], "has_more": False, **more}


@pytest.mark.parametrize(
    ("answer", "status", "invoiced"),
    [
        (paying("pi_1"), 200, True),
        (paying("pi_of_another"), 200, False),
        (paying("pi_of_another", has_more=True), 200, None),
        ({"object": "list", "data": [], "has_more": False}, 200, False),
        (NONE, 404, None),
        (NONE, 403, None),
    ],
)
async def test_a_refunded_charge_is_read_with_the_invoice_it_paid(
    vendor: Any, answer: Any, status: int, invoiced: bool | None
) -> None:
    charge = {"id": "ch_1", "object": "charge", "amount_refunded": 5, "payment_intent": "pi_1"}
    vendor.on("GET", "/v1/charges/ch_1", charge)
    vendor.on("GET", "/v1/invoice_payments", answer, status=status)
    client = connect(vendor)
    read = (await client.read("charge", "ch_1")).obj
    assert read is not None
    found = charge_body(Fields(read, "charge"))
    assert (found.invoiced, found.invoice) == (invoiced, "in_1" if invoiced else None)
    assert vendor.calls[1].query[:2] == [
        ("payment[type]", "payment_intent"),
        ("payment[payment_intent]", "pi_1"),
    ]
    vendor.on("GET", "/v1/charges/ch_2", {**charge, "id": "ch_2", "amount_refunded": 0})
    await client.read("charge", "ch_2")
    await client.aclose()
    assert len(vendor.calls) == 3


async def test_lists_tell_only_what_they_were_asked(vendor: Any) -> None:
    rows: dict[str, dict[str, Any]] = {
        "coupon": {"id": "co_1", "object": "coupon"},
        "price": {"id": "price_1", "object": "price"},
        "customer": {
            "id": "cus_1", "object": "customer", "discount": {"source": {"coupon": {"id": "c"}}},
        },
    }  # fmt: skip
    client = connect(vendor)
    for kind, row in rows.items():
        vendor.on("GET", PATHS[kind].path, {"data": [row], "has_more": False})
        (rows[kind],) = (await client.page(kind, starting_after=None)).rows
    await client.aclose()
    assert rows["coupon"]["applies_to"] is None
    assert "applies_to" not in rows["customer"]["discount"]["source"]["coupon"]
    assert [expanded(call) for call in vendor.calls] == [
        ["data.applies_to", "data.currency_options"],
        ["data.tiers", "data.currency_options"],
        ["data.discount.source.coupon", "data.tax_ids"],
    ]


async def test_every_line_of_an_invoice_is_read(vendor: Any) -> None:
    short = {"id": "in_1", "object": "invoice", "lines": {"data": [{"id": "a"}], "has_more": True}}
    vendor.on("GET", "/v1/invoices/in_1", short)
    vendor.on("GET", "/v1/invoices/in_1/lines", {"data": [{"id": "a"}], "has_more": True})
    vendor.on("GET", "/v1/invoices/in_1/lines", {"data": [{"id": "b"}], "has_more": False})
    client = connect(vendor)
    read = (await client.read("invoice", "in_1")).obj
    await client.aclose()
    assert read is not None
    assert read["lines"] == {"data": [{"id": "a"}, {"id": "b"}], "has_more": False}
    assert ("starting_after", "a") in vendor.calls[2].query


@pytest.mark.parametrize(
    ("kind", "names", "path"),
    [
        ("invoice_payment", {"invoice": "x_1"}, "/v1/invoices/x_1"),
        ("refund", {"charge": "x_1"}, "/v1/charges/x_1"),
        ("promotion_code", {"promotion": {"coupon": "x_1"}}, "/v1/coupons/x_1"),
        ("subscription_schedule", {"subscription": "x_1"}, "/v1/subscriptions/x_1"),
        ("subscription_item", {"subscription": "x_1"}, "/v1/subscriptions/x_1"),
    ],
)
async def test_what_leads_to_another_is_read_as_the_other(
    vendor: Any, kind: str, names: dict[str, Any], path: str
) -> None:
    vendor.on("GET", f"{SENT_ON[kind]}/y_1", {"id": "y_1", "object": kind, **names})
    vendor.on("GET", f"{SENT_ON[kind]}/y_2", {"id": "y_2", "object": kind})
    vendor.on("GET", f"{SENT_ON[kind]}/y_3", NONE, status=404)
    vendor.on("GET", path, {"id": "x_1", "object": "found"})
    client = connect(vendor)
    found = [(await client.read(kind, name)).obj for name in ("y_1", "y_2", "y_3")]
    await client.aclose()
    assert found[0] is not None
    assert found[0]["id"] == "x_1"
    assert found[1:] == [None, None]


async def test_a_coupon_is_named_as_its_author_likes(vendor: Any) -> None:
    vendor.on("GET", "/v1/coupons/25 % off/summer", {"id": "25 % off/summer"})
    client = connect(vendor)
    read = (await client.read("coupon", "25 % off/summer")).obj
    assert read == {"id": "25 % off/summer", "applies_to": None}
    for odd in ("", "..", "."):
        with pytest.raises(Permanent, match="no Stripe id"):
            await client.read("coupon", odd)
    with pytest.raises(Permanent, match="no Stripe id"):
        await client.read("price", "a b")
    await client.aclose()


@pytest.mark.parametrize("status", [400, 403, 404])
async def test_a_list_that_is_not_given_is_empty_and_says_so(vendor: Any, status: int) -> None:
    for kind in ("charge", "customer"):
        vendor.on("GET", PATHS[kind].path, NONE, status=status)
    client = connect(vendor)
    page = await client.page("charge", starting_after=None)
    assert (page.rows, page.next_cursor) == ([], None)
    assert page.refused == f"HTTP {status}: nothing here"
    for kind, cursor in (("charge", "ch_9"), ("customer", None)):
        with pytest.raises((Permanent, Unauthorized)):
            await client.page(kind, starting_after=cursor)
    await client.aclose()
