"""Tax rates, given or automatic, and the totals they make."""

import pytest
import stripe


async def rate(rig, percentage, *, inclusive):
    fields = {"display_name": "VAT", "percentage": percentage, "inclusive": inclusive}
    return await rig.call(rig.client.v1.tax_rates.create, fields)


async def test_exclusive_tax_comes_on_top(rig):
    vat = await rate(rig, 20, inclusive=False)
    bought = await rig.subscription(default_tax_rates=[vat.id])
    assert bought.default_tax_rates[0].percentage == 20
    invoice = await rig.latest_invoice(bought.id)
    assert (invoice.subtotal, invoice.total_excluding_tax, invoice.total) == (2000, 2000, 2400)
    assert invoice.amount_paid == 2400
    (tax,) = invoice.total_taxes
    assert (tax.amount, tax.tax_behavior) == (400, "exclusive")
    assert tax.tax_rate_details.tax_rate == vat.id


async def test_inclusive_tax_is_within(rig):
    vat, price = await rate(rig, 25, inclusive=True), await rig.price(1250)
    customer = await rig.customer()
    items = [{"price": price.id, "quantity": 1, "tax_rates": [vat.id]}]
    bought = await rig.call(
        rig.client.v1.subscriptions.create, {"customer": customer.id, "items": items}
    )
    assert bought["items"].data[0].tax_rates[0].inclusive is True
    invoice = await rig.latest_invoice(bought.id)
    assert (invoice.total, invoice.total_excluding_tax) == (1250, 1000)
    assert invoice.subtotal_excluding_tax == 1000


async def test_automatic_tax_goes_by_the_customers_country(rig):
    price = await rig.price(1000, tax_behavior="exclusive")
    nowhere = await rig.customer()
    automatic = {"enabled": True}
    with pytest.raises(stripe.InvalidRequestError, match="location"):
        await rig.subscription(customer=nowhere, price=price, automatic_tax=automatic)
    german = await rig.customer(address={"country": "DE"})
    bought = await rig.subscription(customer=german, price=price, automatic_tax=automatic)
    assert bought.automatic_tax.enabled is True
    invoice = await rig.latest_invoice(bought.id)
    assert (invoice.total_excluding_tax, invoice.total) == (2000, 2380)
    assert invoice.automatic_tax.status == "complete"


async def test_older_versions_say_tax_in_their_own_words(rig):
    vat = await rate(rig, 20, inclusive=False)
    bought = await rig.subscription(default_tax_rates=[vat.id])
    old = await rig.raw(f"/v1/invoices/{bought.latest_invoice}", "2024-09-30.acacia")
    assert old["tax"] == 400
    assert old["total_tax_amounts"][0]["tax_rate"] == vat.id
    assert old["total_tax_amounts"][0]["inclusive"] is False
    assert "total_taxes" not in old


async def test_tax_and_discount_together(rig):
    vat = await rate(rig, 10, inclusive=False)
    off = await rig.call(rig.client.v1.coupons.create, {"percent_off": 50, "duration": "forever"})
    bought = await rig.subscription(default_tax_rates=[vat.id], discounts=[{"coupon": off.id}])
    invoice = await rig.latest_invoice(bought.id)
    assert (invoice.subtotal, invoice.total_excluding_tax, invoice.total) == (2000, 1000, 1100)
