"""Money: exponents of the vendor's minor units, one rounding, and the printed amount."""

from fractions import Fraction
from typing import Final

from plumbline_schemas.money import Money

ZERO_DECIMAL: Final = frozenset(
    [
        "bif",
        "clp",
        "djf",
        "gnf",
        "jpy",
        "kmf",
        "krw",
        "mga",
        "pyg",
        "rwf",
        "vnd",
        "vuv",
        "xaf",
        "xof",
        "xpf",
    ]
)
THREE_DECIMAL: Final = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])

ISO_4217: Final = frozenset(
    code
    for line in (
        "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd",
        "bif bmd bnd bob brl bsd btn bwp byn bzd cad cdf chf clp cny",
        "cop crc cup cve czk djf dkk dop dzd egp ern etb eur fjd fkp",
        "gbp gel ghs gip gmd gnf gtq gyd hkd hnl hrk htg huf idr ils",
        "inr iqd irr isk jmd jod jpy kes kgs khr kmf kpw krw kwd kyd",
        "kzt lak lbp lkr lrd lsl lyd mad mdl mga mkd mmk mnt mop mru",
        "mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen",
        "pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sdg sek",
        "sgd shp sle sll sos srd ssp std stn svc syp szl thb tjs tmt",
        "tnd top try ttd twd tzs uah ugx usd uyu uzs ved ves vnd vuv",
        "wst xaf xcd xcg xof xpf yer zar zmw zwg",
    )
    for code in line.split()
)
"""Codes an amount may be in; those that were replaced of late are still in older invoices."""


LARGEST: Final = 2**53
"""Beyond it other programs' numbers are no longer exact: such an amount is a mistake."""


def exponent(currency: str) -> int:
    """Decimal places between the major unit and Stripe's minor unit.

    billing.md, fine print of MRR: isk, ugx, huf and twd are amounts in hundredths like all others.
    """
    code = currency.lower()
    if code in ZERO_DECIMAL:
        return 0
    return 3 if code in THREE_DECIMAL else 2


def to_minor(amount: Fraction) -> int:
    """Round an exact amount of minor units, half to even: the only rounding there is."""
    return round(amount)


def major_units(money: Money) -> str:
    """The amount in major units as CRM properties hold it: `83.33`, `1200`, `0` when none.

    A whole amount is written without decimals, any other with all of the currency's.
    """
    places = exponent(money.currency)
    sign = "-" if money.minor < 0 else ""
    whole, part = divmod(abs(money.minor), 10**places)
    return f"{sign}{whole}" if part == 0 else f"{sign}{whole}.{part:0{places}d}"
