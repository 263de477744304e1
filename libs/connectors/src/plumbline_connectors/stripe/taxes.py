"""Tax rates, which Stripe embeds whole in items and subscriptions."""

from typing import Final

from plumbline_schemas.built import built
from plumbline_schemas.catalogue import TaxRate

from plumbline_connectors.stripe.reading import Fields

_new_tax_rate: Final = built(TaxRate)


def tax_rate_body(obj: Fields) -> TaxRate:
    """A tax rate, alone or inside its holder."""
    return _new_tax_rate(
        tax_rate_id=obj.required_text("id"),
        inclusive=obj.flag("inclusive"),
        percentage=obj.decimal("percentage"),
    )


def tax_rates_of(obj: Fields, name: str) -> tuple[TaxRate, ...]:
    """The holder's rates; of one that is only named neither kind nor percentage is said."""
    if not obj.raw.get(name):
        return ()
    return tuple(
        _new_tax_rate(tax_rate_id=rate) if isinstance(rate, str) else tax_rate_body(rate)
        for rate in obj.entries(name)
    )


def inclusive(rates: tuple[TaxRate, ...]) -> bool:
    """Whether a price includes any of them."""
    return bool(rates) and any(rate.inclusive for rate in rates)
