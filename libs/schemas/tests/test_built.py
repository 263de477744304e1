"""Models built from checked values equal those that the constructor makes."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from plumbline_schemas.billing import Subscription, SubscriptionItem
from plumbline_schemas.built import built
from plumbline_schemas.catalogue import Price, Recurring, Tier
from plumbline_schemas.observations import SubscriptionObservation, encode_observation
from pydantic import BaseModel, Field, field_validator

SEEN = datetime(2026, 11, 20, 12, tzinfo=UTC)


MODELS: tuple[Any, ...] = (
    Tier,
    Price,
    SubscriptionItem,
    Recurring,
    Subscription,
    SubscriptionObservation,
)


def _subscription(models: Sequence[Any]) -> SubscriptionObservation:
    """Fields given in another order than the model's, and many left to their defaults."""
    tier, price, item, recurring, body, observation = models
    tiers = (tier(up_to=5, unit_amount=Decimal("1.5")), tier(flat_amount=Decimal(7), up_to=None))
    named = price(
        currency="eur", price_id="price_1", tiers=tiers, recurring=recurring(interval="month")
    )
    found: SubscriptionObservation = observation(
        workspace="acme",
        connection="stripe",
        id="sub_1",
        vendor_time_ms=1,
        seen="event",
        origin="webhook",
        received_at=SEEN,
        body=body(status="active", items=(item(item_id="si_1", price=named, quantity=3),)),
    )
    return found


def test_equal_in_every_respect() -> None:
    fast, checked = _subscription([built(model) for model in MODELS]), _subscription(MODELS)
    assert fast == checked
    assert repr(fast) == repr(checked)
    assert encode_observation(fast) == encode_observation(checked)
    assert fast.model_fields_set == checked.model_fields_set
    assert fast.model_copy(update={"id": "x"}) == checked.model_copy(update={"id": "x"})
    assert SubscriptionObservation.model_validate(fast.model_dump()) == checked


def test_still_frozen() -> None:
    tier = built(Tier)(up_to=1)
    with pytest.raises(ValueError, match="frozen"):
        tier.up_to = 2  # type: ignore[misc]


class _Checked(BaseModel):
    name: str

    @field_validator("name")
    @classmethod
    def _not_empty(cls, value: str) -> str:
        return value


class _MadeAnew(BaseModel):
    names: list[str] = Field(default_factory=list)


@pytest.mark.parametrize("model", [_Checked, _MadeAnew, dict])
def test_a_model_that_does_more_is_refused(model: type[BaseModel]) -> None:
    with pytest.raises(TypeError):
        built(model)
