"""Rules of MRR, each broken by replacing a piece of its text."""

from typing import Final, NamedTuple


class Mutant(NamedTuple):
    """`old`, which is in the text of `plumbline_domain.<module>` once, becomes `new`."""

    name: str
    module: str
    old: str
    new: str


def _status(name: str) -> Mutant:
    return Mutant(
        f"{name} counts",
        "counting",
        "    if status in ZERO:\n",
        f'    if status == "{name}":\n        status = "active"\n    if status in ZERO:\n',
    )


_IF_PERCENT: Final = "one.coupon is not None and one.coupon.percent_off is not None:\n"
_TAKE_PERCENT: Final = " " * 12 + "_take_percent(one, one.coupon, held.level, open_lines)\n"
_TAKE_AMOUNT: Final = " " * 12 + "_take_amount(one, one.coupon, held.level, open_lines, on)\n"

RULES: Final = (
    *(
        _status(name)
        for name in ("trialing", "incomplete", "incomplete_expired", "paused", "canceled")
    ),
    Mutant(
        "not started counts",
        "counting",
        "if not started(subscription, at):",
        "if False:",
    ),
    Mutant(
        "a cancellation that arrived counts",
        "counting",
        "if ends <= at else None",
        "if False else None",
    ),
    Mutant(
        "a pause that is over still pauses",
        "counting",
        "(pause.resumes_at is None or pause.resumes_at > at)",
        "True",
    ),
    Mutant(
        "owing counts from the finalisation alone",
        "counting",
        "invoice.due_date or invoice.finalized_at,",
        "invoice.finalized_at,",
    ),
    Mutant("a renewal is a first invoice", "counting", '== "subscription_create"', "is not None"),
    Mutant(
        "a week is a quarter of a month",
        "intervals",
        "per_month = _MONTHS_PER.get(interval)",
        'per_month = {**_MONTHS_PER, "week": Fraction(4)}.get(interval)',
    ),
    Mutant(
        "a month has 30 days",
        "intervals",
        "per_month = _MONTHS_PER.get(interval)",
        'per_month = {**_MONTHS_PER, "day": Fraction(30)}.get(interval)',
    ),
    Mutant(
        "a year is a month",
        "intervals",
        "per_month = _MONTHS_PER.get(interval)",
        'per_month = {**_MONTHS_PER, "year": Fraction(1)}.get(interval)',
    ),
    Mutant("the interval's count is ignored", "intervals", "per_month / count", "per_month"),
    Mutant(
        "quantity is ignored", "list_amounts", "Fraction(amount) * quantity", "Fraction(amount)"
    ),
    Mutant(
        "blocks are rounded the other way",
        "list_amounts",
        'if way == "up" else',
        'if way == "down" else',
    ),
    Mutant("blocks are ignored", "list_amounts", "if not price.transform_quantity:", "if True:"),
    Mutant(
        "graduated tiers are volume tiers",
        "list_amounts",
        'if mode == "graduated"',
        'if mode == "nothing"',
    ),
    Mutant(
        "the flat part is ignored",
        "list_amounts",
        "_times(each, units) + _times(flat, 1)",
        "_times(each, units)",
    ),
    Mutant("tiers not listed cost nothing", "list_amounts", "if tiers is None:", "if False:"),
    Mutant(
        "quantity 0 costs the flat part",
        "mrr",
        "if quantity > 0 else",
        "if quantity >= 0 else",
    ),
    Mutant(
        "one-time prices recur",
        "mrr",
        "if recurring is None:\n        return",
        "if False:\n        return",
    ),
    Mutant("an item's trial counts", "mrr", "and at < item.trial_end", "and False"),
    Mutant("cut lists of items count", "mrr", "if subscription.items_truncated:", "if False:"),
    Mutant(
        "the price's own currency is taken for the subscription's",
        "book",
        "if price.currency == currency:",
        "if True:",
    ),
    Mutant("currency options are ignored", "book", "found = embedded or beside", "found = None"),
    Mutant("ended discounts count", "discounts", "discount.end <= at", "False"),
    Mutant("discounts ahead count", "discounts", "discount.start > at", "False"),
    Mutant(
        "a bare discount is none",
        "discounts",
        'return _Standing(discount_id, "discount.unknown", missing=f"discount:{discount_id}")',
        'return _Standing(discount_id, "discount.unknown")',
    ),
    Mutant("products of a coupon are ignored", "discounts", "if not products or", "if True or"),
    Mutant(
        "percentages are ignored",
        "ratios",
        "1 - Fraction(percent_off) / HUNDRED",
        "Fraction(1)",
    ),
    Mutant("an amount may take more than there is", "discounts", "min(taken, there)", "taken"),
    Mutant(
        "an amount is taken once per item",
        "discounts",
        "there - min(taken, there)",
        "there - min(taken * len(sharing), there)",
    ),
    Mutant(
        "an amount is taken from longer periods too",
        "discounts",
        "if line.per_month == often]",
        "if line]",
    ),
    Mutant(
        "free items take their share",
        "discounts",
        "reached = [line for line in within if line.over]",
        "reached = within",
    ),
    Mutant(
        "amounts in the order given",
        "discounts",
        f"{_IF_PERCENT}{_TAKE_PERCENT}",
        f"{_IF_PERCENT}{_TAKE_PERCENT}        else:\n{_TAKE_AMOUNT}    known = []\n",
    ),
    Mutant(
        "what is not known is needed where nothing is left",
        "discounts",
        "if any(line.over for line in open_lines):",
        "if True:",
    ),
    Mutant(
        "a coupon's amount is converted one to one",
        "discounts",
        '(coupon.currency or "").lower() == currency',
        "True",
    ),
    Mutant(
        "the subscription's discount before the item's",
        "mrr",
        "if one.line is not None and one.item.discounts:",
        "if False:",
    ),
    Mutant(
        "the subscription's discounts are ignored", "mrr", "if subscription.discounts:", "if False:"
    ),
    Mutant("the customer's discount is not blocked", "mrr", "if own:", "if False:"),
    Mutant(
        "ended discounts block the customer's",
        "discounts",
        "return bool(counting)",
        "return bool(standings)",
    ),
    Mutant("inclusive tax is MRR", "taxes", "if percent:", "if False:"),
    Mutant("exclusive tax is taken out", "taxes", "if known.inclusive:", "if True:"),
    Mutant(
        "tax is a share of the gross",
        "taxes",
        "1 / (1 + Fraction(percent) / _HUNDRED)",
        "1 - Fraction(percent) / _HUNDRED",
    ),
    Mutant(
        "the subscription's tax rates replace the item's",
        "taxes",
        "item.tax_rates or subscription.default_tax_rates",
        "subscription.default_tax_rates or item.tax_rates",
    ),
    Mutant(
        "automatic tax is MRR",
        "taxes",
        'if tax_behavior == "inclusive" and subscription.automatic_tax:',
        "if False:",
    ),
    Mutant(
        "automatic tax without a paid invoice is none",
        "taxes",
        "return _net_share(beside.invoices)",
        "return _net_share(beside.invoices) or WHOLE",
    ),
    Mutant(
        "no rate is a factor of 1",
        "mrr",
        '_lack(one, f"rate:{on.currency.upper()}", on)',
        "one.mrr = (line.over, line.under)",
    ),
    Mutant("currencies have two decimals", "money", "if code in ZERO_DECIMAL:", "if False:"),
    Mutant(
        "three decimals are two",
        "money",
        "return 3 if code in THREE_DECIMAL else 2",
        "return 2",
    ),
    Mutant("rounded down", "money", "return round(amount)", "return int(amount)"),
    Mutant(
        "rates are the other way round",
        "rates",
        "Fraction(want) / Fraction(have)",
        "Fraction(have) / Fraction(want)",
    ),
    Mutant("the first day's rate", "rates", "self.days[place - 1]", "self.days[0]"),
    Mutant("usage is its first line", "usage", "sum(own)", "own[0]"),
    Mutant(
        "credits after payment are ignored",
        "usage",
        "max(0, invoice.post_payment_credit_notes)",
        "0",
    ),
)
