"""Rates of a month's movements; docs/ledger.md defines them and says who else counts so."""

from dataclasses import dataclass
from fractions import Fraction

from plumbline_domain.ledger import BookMonth


@dataclass(frozen=True, slots=True)
class Rates:
    """What a month says of the book it opened with; rates are None when it opened empty."""

    net_new: int
    """Minor units: new, expansion and reactivation less contraction and churn."""
    gross_churn: Fraction | None
    net_churn: Fraction | None
    customer_churn: Fraction | None


def rates_of(month: BookMonth) -> Rates:
    """Only what customers did counts: no fx, opening, transfer or restatement."""
    lost = -month.of("churn").minor - month.of("contraction").minor
    regained = month.of("expansion").minor + month.of("reactivation").minor
    gone = len({entry.account for entry in month.entries if entry.kind == "churn"})
    return Rates(
        net_new=month.of("new").minor + regained - lost,
        gross_churn=_share(lost, month.opening),
        net_churn=_share(lost - regained, month.opening),
        customer_churn=_share(gone, month.customers_at_opening),
    )


def _share(part: int, whole: int) -> Fraction | None:
    return Fraction(part, whole) if whole else None
