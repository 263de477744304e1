"""Coupons and promotion codes: what may be taken off, and the codes that customers type."""

from typing import Any

from plumbline_simulators.stripe import params as read
from plumbline_simulators.stripe.catalog import new_id, set_texts
from plumbline_simulators.stripe.errors import StripeError, invalid, required
from plumbline_simulators.stripe.ledger import Ledger
from plumbline_simulators.stripe.params import Params
from plumbline_simulators.stripe.store import Record

_NO_RESTRICTIONS = {
    "first_time_transaction": False,
    "minimum_amount": None,
    "minimum_amount_currency": None,
}


def create_coupon(ledger: Ledger, params: Params) -> Record:
    percent, amount = read.decimal(params, "percent_off"), read.integer(params, "amount_off")
    if (percent is None) == (amount is None):
        raise invalid("percent_off", "You must pass either amount_off or percent_off.")
    record: Record = {
        "object": "coupon",
        "id": new_id(ledger, params, "coupon"),
        "created": ledger.now(),
        "duration": read.choice(params, "duration", ("forever", "once", "repeating")) or "once",
        "duration_in_months": read.integer(params, "duration_in_months", at_least=1),
        "percent_off": None if percent is None else float(percent),
        "amount_off": amount,
        "currency": read.text(params, "currency"),
        "max_redemptions": read.integer(params, "max_redemptions", at_least=1),
        "redeem_by": read.integer(params, "redeem_by"),
        "metadata": read.merged_metadata({}, params),
        **_limits(ledger, params),
    }
    if amount is not None and record["currency"] is None:
        raise required("currency")
    if (record["duration"] == "repeating") != (record["duration_in_months"] is not None):
        raise invalid("duration_in_months", "duration_in_months goes with duration repeating only.")
    set_texts(record, params, "name")
    return ledger.create(record, "coupon.created")


def update_coupon(ledger: Ledger, coupon_id: str, params: Params) -> Record:
    """Only what it is called and further currencies change."""
    before = ledger.get("coupon", coupon_id)
    after = {**before, "metadata": read.merged_metadata(before["metadata"], params)}
    set_texts(after, params, "name")
    options = _options(params)
    if options:
        after["currency_options"] = {**(before.get("currency_options") or {}), **options}
    return ledger.update(before, after, "coupon.updated")


def delete_coupon(ledger: Ledger, coupon_id: str) -> Record:
    """It can't be redeemed any more; discounts that have it keep it."""
    record = ledger.get("coupon", coupon_id)
    gone = {**record, "valid": False}
    ledger.store.put("coupon", {**gone, "_gone": True})
    ledger.emit("coupon.deleted", gone)
    return gone


def create_promotion_code(ledger: Ledger, params: Params) -> Record:
    """Of `promotion.coupon`, or of `coupon` as the older versions call it."""
    promotion = read.mapping(params, "promotion")
    name = read.text(params, "coupon") or read.text(promotion, "coupon")
    if name is None:
        raise required("promotion[coupon]")
    coupon = ledger.get("coupon", name, param="promotion[coupon]", status=400)
    code = read.text(params, "code") or ledger.ids.next("code").partition("_")[2][:8].upper()
    taken = ledger.store.page_all("promotion_code")
    if any(one["code"].lower() == code.lower() and one["active"] for one in taken):
        raise invalid("code", f"An active promotion code with `code: {code}` already exists.")
    restrictions = read.mapping(params, "restrictions")
    record: Record = {
        "object": "promotion_code",
        "id": ledger.ids.next("promo"),
        "created": ledger.now(),
        "code": code,
        "active": read.boolean(params, "active") is not False,
        "customer": read.text(params, "customer"),
        "expires_at": read.integer(params, "expires_at"),
        "max_redemptions": read.integer(params, "max_redemptions", at_least=1),
        "metadata": read.merged_metadata({}, params),
        "promotion": {"type": "coupon", "coupon": coupon["id"]},
        "restrictions": {
            **_NO_RESTRICTIONS,
            "first_time_transaction": read.boolean(restrictions, "first_time_transaction") or False,
            "minimum_amount": read.integer(restrictions, "minimum_amount"),
            "minimum_amount_currency": read.text(restrictions, "minimum_amount_currency"),
        },
    }
    return ledger.create(record, "promotion_code.created")


def update_promotion_code(ledger: Ledger, code_id: str, params: Params) -> Record:
    before = ledger.get("promotion_code", code_id)
    after = {**before, "metadata": read.merged_metadata(before["metadata"], params)}
    if (active := read.boolean(params, "active")) is not None:
        after["active"] = active
    return ledger.update(before, after, "promotion_code.updated")


def redeemed(ledger: Ledger, given: Params, currency: str | None) -> tuple[Record, str | None]:
    """The coupon that `coupon` or `promotion_code` names, and the code's id; counts the use.

    Raises Stripe's 400 for one that is used up, too old, switched off, or in no fitting currency.
    """
    coupon, code = redeemable(ledger, given, currency)
    if code is not None:
        ledger.store.put("promotion_code", code)
    ledger.store.put("coupon", coupon)
    return coupon, None if code is None else code["id"]


def redeemable(ledger: Ledger, given: Params, currency: str | None) -> tuple[Record, Record | None]:
    """The coupon and the code as they are after one more use; raises as `redeemed` does."""
    code_id, code = read.text(given, "promotion_code"), None
    if code_id is None:
        name = read.needed(given, "coupon")
    else:
        code = ledger.get("promotion_code", code_id, param="promotion_code", status=400)
        name = code["promotion"]["coupon"]
        if not code["active"]:
            raise invalid("promotion_code", "This promotion code is not active.")
        code = _used_once_more(ledger, code, "expires_at")
    coupon = ledger.get("coupon", name, param="discounts", status=400)
    if currency is not None and amount_off(coupon, currency) is None:
        raise StripeError(
            400, f"The coupon {name} has no amount in {currency}.", param="discounts[0][coupon]"
        )
    return _used_once_more(ledger, coupon, "redeem_by"), code


def amount_off(coupon: Record, currency: str) -> int | None:
    """Minor units in `currency`; 0 for a percentage, None when it has no such currency."""
    if coupon.get("percent_off") is not None:
        return 0
    if coupon["currency"] == currency:
        return int(coupon["amount_off"])
    option = (coupon.get("currency_options") or {}).get(currency)
    return None if option is None else int(option["amount_off"])


def _used_once_more(ledger: Ledger, record: Record, until: str) -> Record:
    times, limit = record.get("times_redeemed", 0) + 1, record.get("max_redemptions")
    if limit is not None and times > limit:
        raise StripeError(400, f"{record['id']} has been used up.", code="coupon_expired")
    if (record.get(until) or ledger.now() + 1) <= ledger.now():
        raise StripeError(400, f"{record['id']} has expired.", code="coupon_expired")
    used = {**record, "times_redeemed": times}
    if record["object"] == "coupon" and times == limit:
        used["valid"] = False
    return used


def _limits(ledger: Ledger, params: Params) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if options := _options(params):
        found["currency_options"] = options
    products = read.sequence(read.mapping(params, "applies_to"), "products")
    for product in products:
        ledger.get("product", product, param="applies_to[products]", status=400)
    if products:
        found["applies_to"] = {"products": products}
    return found


def _options(params: Params) -> dict[str, Record]:
    given = read.mapping(params, "currency_options")
    return {
        currency.lower(): {"amount_off": read.integer(option, "amount_off", at_least=1)}
        for currency, option in given.items()
    }
