"""Every row of the table of cases as a real Stripe object of every version: one model."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from plumbline_connectors.stripe.translate import (
    StripeContext,
    Untranslatable,
    translate_event,
    translate_object,
)
from plumbline_schemas.billing import Charge, Subscription
from plumbline_schemas.catalogue import Body
from plumbline_schemas.observations import AnyObservation
from plumbline_simulators.shapes.catalogue import SHAPES
from plumbline_simulators.shapes.pieces import AT
from plumbline_simulators.shapes.rendering import Inexpressible, rendered
from plumbline_simulators.shapes.shape import VERSIONS, Shape

pytestmark = pytest.mark.mrr_cases
NOW = datetime.fromtimestamp(AT, UTC)
TYPES = {"subscription": "customer.subscription.updated"}

PAIRS = [
    pytest.param(shape, version, id=f"{shape.row}-{version.partition('.')[2]}")
    for shape in SHAPES
    for version in shape.versions
]


def context(shape: Shape) -> StripeContext:
    return StripeContext("acme", "stripe", livemode=shape.livemode)


def seen(shape: Shape, obj: dict[str, Any], version: str) -> AnyObservation:
    kind = obj["object"]
    event = {
        "id": "evt_1",
        "object": "event",
        "type": TYPES.get(kind, f"{kind}.updated"),
        "created": AT,
        "livemode": shape.livemode,
        "api_version": version,
        "data": {"object": obj},
    }
    translated = translate_event(json.dumps(event).encode(), context(shape), received_at=NOW)
    (found,) = translated.observations
    return found


def comparable(body: Body | None) -> Body | None:
    """Without what only older versions say: a charge's invoice, and that it paid one."""
    if not isinstance(body, Charge):
        return body
    return body.model_copy(update={"invoice": None, "invoiced": None})


@pytest.mark.parametrize(("shape", "version"), PAIRS)
def test_a_shape_is_one_model_in_every_version(shape: Shape, version: str) -> None:
    for obj in shape.objects:
        newest = seen(shape, obj, VERSIONS[-1])
        older = seen(shape, rendered(obj, version), version)
        assert comparable(older.body) == comparable(newest.body)
        assert older.parent_key == newest.parent_key
        assert older.key == newest.key
        read = translate_object(
            json.loads(json.dumps(rendered(obj, version))),
            context(shape),
            seen="read",
            origin="webhook",
            vendor_time_ms=AT * 1000,
            received_at=NOW,
        )
        assert read is not None
        assert read.body == older.body


def test_every_row_has_a_shape_and_each_name_is_used_once() -> None:
    assert {shape.number for shape in SHAPES} == set(range(1, 79))
    assert len({shape.row for shape in SHAPES}) == len(SHAPES)
    assert len(PAIRS) > 400


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape.versions != VERSIONS])
def test_what_a_version_cannot_say_is_not_rendered_in_it(shape: Shape) -> None:
    for version in set(VERSIONS) - set(shape.versions):
        with pytest.raises(Inexpressible):
            [rendered(obj, version) for obj in shape.objects]


def test_test_mode_is_no_part_of_a_live_connection() -> None:
    (shape,) = (one for one in SHAPES if not one.livemode)
    live = StripeContext("acme", "stripe", livemode=True)
    for obj in shape.objects:
        with pytest.raises(Untranslatable) as caught:
            translate_object(
                obj, live, seen="read", origin="webhook", vendor_time_ms=1, received_at=NOW
            )
        assert caught.value.reason == "wrong_mode"


def test_every_shape_has_the_model_filled() -> None:
    """What the arithmetic needs is there: no shape passes by leaving it out everywhere."""
    said: set[str] = set()
    for shape in SHAPES:
        for obj in shape.objects:
            body = seen(shape, obj, VERSIONS[-1]).body
            assert body is not None
            said |= _filled(body.model_dump(exclude_defaults=True), type(body).__name__)
    wanted = {
        "Subscription.items[].price.tiers[].flat_amount",
        "Subscription.items[].price.currency_options.eur.unit_amount",
        "Subscription.items[].price.transform_quantity.divide_by",
        "Subscription.items[].discount_objects[].coupon_object.percent_off",
        "Subscription.items[].tax_rates[].percentage",
        "Subscription.default_tax_rates[].percentage",
        "Subscription.discount_objects[].coupon_object.amount_off",
        "Subscription.discount_objects[].end",
        "Subscription.pause_collection.resumes_at",
        "BillingCustomer.discount_objects[].coupon_object.percent_off",
        "Invoice.total_excluding_tax",
        "Invoice.post_payment_credit_notes",
        "Invoice.lines[].proration",
        "Charge.amount_refunded",
        "CreditNote.refunded_amount",
        "Coupon.applies_to[]",
    }
    assert wanted <= said


def _filled(value: Any, path: str) -> set[str]:
    if isinstance(value, dict):
        return {name for key, member in value.items() for name in _filled(member, f"{path}.{key}")}
    if isinstance(value, list | tuple):
        return {name for member in value for name in _filled(member, f"{path}[]")}
    return {path}


def test_a_bare_discount_is_named_and_left_open() -> None:
    (shape,) = (one for one in SHAPES if one.row == "37")
    body = seen(shape, shape.objects[0], VERSIONS[-1]).body
    assert isinstance(body, Subscription)
    assert (body.discounts, body.discount_objects) == (("di_1",), ())
