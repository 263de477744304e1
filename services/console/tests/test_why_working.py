"""The working that `accounts why` prints adds up to the value, and says when it does not."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import orjson
from console.working.mrr import mrr_text
from console.working.paid import paid_text
from console.working.stored import Stored, StoredObject
from plumbline_domain.rates import Rates
from plumbline_schemas.accounts import AccountState
from plumbline_schemas.ids import ExternalKey
from plumbline_schemas.internal import WorkspaceConfig

AT = datetime(2026, 3, 10, tzinfo=UTC)
CUSTOMER = ExternalKey("acme/stripe/customer/cus_1")
RATES = Rates.of({date(2026, 2, 27): {"USD": Decimal("1.25")}})


def stored_object(kind: str, name: str, body: Any, **facts: Any) -> StoredObject:
    key = ExternalKey(f"acme/stripe/{kind}/{name}")
    plain: dict[str, Any] = {
        "key": key, "kind": kind, "parent": CUSTOMER, "told_at": AT, "deleted": False,
        "body": orjson.dumps(body).decode(),
    }  # fmt: skip
    return StoredObject(**plain | facts)


def subscription(currency: str = "usd", **more: Any) -> StoredObject:
    price = {
        "price_id": "price_1", "currency": currency, "unit_amount": "1000", "product": "prod_1",
        "recurring": {"interval": "month", "interval_count": 1},
    }  # fmt: skip
    body = {
        "status": "active", "currency": currency, "start_date": "2026-01-01T00:00:00Z",
        "items": [{"item_id": "si_1", "quantity": 3, "price": price}],
    }  # fmt: skip
    return stored_object("subscription", "sub_1", body | more)


def stored(*objects: StoredObject, mrr: int = 3000, **more: Any) -> Stored:
    value = {"minor": mrr, "currency": "usd"}
    field = {"value": value, "rule": "mrr.sum", "version": 1}
    state = {
        "id": "acc_1", "workspace": "acme", "version": 1, "state": "active", "stage": "paying",
        "fields": {"mrr": field},
    }  # fmt: skip
    facts: dict[str, Any] = {
        "state": AccountState.model_validate(state),
        "config": WorkspaceConfig(currency="USD"),
        "at": AT,
        "customers": (CUSTOMER,),
        "objects": objects,
        "catalogue": (),
        "rates": RATES,
    }
    return Stored(**facts | more)


def lines(found: Any) -> list[str]:
    return [" ".join(line.split()) for line in found if line]


def test_the_items_of_every_subscription_add_up() -> None:
    told = lines(mrr_text(stored(subscription())))
    assert told[0] == "billing customer cus_1 of stripe"
    assert "list amount 3 x 10.00 USD a month 30.00 USD [price.per_unit]" in told
    assert told[-1] == "MRR 30.00 USD"


def test_another_currency_shows_its_rate_and_the_day_of_it() -> None:
    told = lines(mrr_text(stored(subscription("eur"), mrr=3750)))
    rate = "currency 30.00 x 1.25 USD for one EUR on 2026-02-27 37.50 [currency.rate]"
    assert rate in told
    assert told[-1] == "MRR 37.50 USD"


def test_a_value_that_is_kept_is_told_apart_from_the_working() -> None:
    told = lines(mrr_text(stored(subscription("gbp"))))
    assert told[-1] == "the account keeps 30.00 USD until nothing is missing"
    assert any(line.startswith("MRR incomplete") for line in told)


def test_a_value_that_is_behind_the_objects_is_told() -> None:
    told = lines(mrr_text(stored(subscription(), mrr=100)))
    assert told[-1] == "the account shows 1.00 USD: it is about to change"


def test_a_deleted_subscription_is_over() -> None:
    gone = subscription()
    told = lines(
        mrr_text(stored(StoredObject(gone.key, gone.kind, gone.parent, AT, True, gone.body), mrr=0))
    )
    assert "subscription sub_1, canceled: zero, canceled [subscription.canceled]" in told


def test_a_coupon_completes_itself_from_what_was_told_of_it() -> None:
    discount = {"discount_id": "di_1", "coupon": "half", "start": "2026-01-01T00:00:00Z"}
    coupon = {"coupon_id": "half", "percent_off": "50", "duration": "forever"}
    told_of = coupon | {"applies_to": []}
    catalogue = (
        stored_object("coupon", "half", coupon, parent=None),
        stored_object("coupon_told", "half", told_of, parent=None),
    )
    held = subscription(discounts=["di_1"], discount_objects=[discount])
    told = lines(mrr_text(stored(held, mrr=1500, catalogue=catalogue)))
    assert "discount di_1 half 50 % off (subscription) -15.00 [discount.percent]" in told
    assert told[-1] == "MRR 15.00 USD"


def test_a_lifetime_value_lists_payments_refunds_and_the_rate() -> None:
    paid = {
        "status": "paid", "currency": "usd", "amount_paid": 5000, "paid_at": "2026-02-01T08:00:00Z"
    }  # fmt: skip
    euros = paid | {"currency": "eur", "amount_paid": 1000}
    back = {"currency": "usd", "amount": 5000, "amount_refunded": 1500, "invoiced": True}
    told = lines(
        paid_text(
            stored(
                stored_object("invoice", "in_1", paid),
                stored_object("invoice", "in_2", euros),
                stored_object("invoice", "in_3", paid | {"status": "open"}),
                stored_object("charge", "ch_1", back),
            )
        )
    )
    assert told[1:] == [
        "charge ch_1 refunded -15.00 USD",
        "invoice in_1 paid on 2026-02-01 50.00 USD",
        "invoice in_2 paid on 2026-02-01 10.00 EUR",
        "currency 10.00 x 1.25 USD for one EUR on 2026-02-27 12.50 [currency.rate]",
        "LTV 47.50 USD [ltv.paid_less_refunds_and_credit]",
    ]


def test_a_lifetime_value_without_a_rate_is_no_number() -> None:
    yen = {"status": "paid", "currency": "jpy", "amount_paid": 5000}
    told = lines(paid_text(stored(stored_object("invoice", "in_1", yen))))
    assert told[-1] == "LTV incomplete: no rate for JPY"
