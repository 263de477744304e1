"""Tax rates, which Stripe embeds whole in items and subscriptions."""

from plumbline_schemas.catalogue import TaxRate

from plumbline_connectors.stripe.reading import Fields


def tax_rate_body(obj: Fields) -> TaxRate:
    """A tax rate, alone or inside its holder."""
    return TaxRate(
        tax_rate_id=obj.required_text("id"),
        inclusive=obj.flag("inclusive"),
        percentage=obj.decimal("percentage"),
    )


def tax_rates_of(obj: Fields, name: str) -> tuple[TaxRate, ...]:
    """The holder's rates; of one that is only named neither kind nor percentage is said."""
    if not obj.raw.get(name):
        return ()
    return tuple(
        TaxRate(tax_rate_id=rate) if isinstance(rate, str) else tax_rate_body(rate)
        for rate in obj.entries(name)
    )
