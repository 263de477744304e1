"""Money as it travels: whole minor units and a currency."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

CurrencyCode = Annotated[str, Field(pattern=r"^[a-z]{3}$")]
"""ISO 4217 code in lower case, as Stripe writes it."""


class Money(BaseModel):
    """An amount in the currency's minor unit (cents for usd, yen for jpy)."""

    model_config = ConfigDict(frozen=True)

    minor: int
    currency: CurrencyCode
