"""How matching stands in a workspace: figures with their definitions (identity.md 7, Watch)."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from plumbline_domain.identity.calibrate import Calibration, Drift, Reviewed, calibrated, drift
from plumbline_domain.identity.decide import Outcome


@dataclass(frozen=True, slots=True)
class Standing:
    """One billing customer as the report sees it."""

    outcome: Outcome
    method: str | None = None
    """How it was linked: an identifier, evidence, or `person`."""
    asked_at: datetime | None = None
    """Since when a person is asked (UTC)."""
    without_record: bool = False
    """A person said that the CRM does not have this company."""


@dataclass(frozen=True, slots=True)
class IdentityReport:
    """Counts and shares; `match_rate` is None while no customer counts."""

    customers: int
    linked: int
    asked: int
    unmatched: int
    without_record: int
    match_rate: float | None
    """Linked customers per customer that is not known to be without a record."""
    methods: tuple[tuple[str, int], ...]
    median_age_days: float | None
    oldest_age_days: float | None
    drift: tuple[Drift, ...]
    calibration: Calibration


def report(
    standings: Iterable[Standing], reviewed: Sequence[Reviewed], now: datetime
) -> IdentityReport:
    """The report of a workspace at `now` (UTC)."""
    known = list(standings)
    outcomes = Counter(standing.outcome for standing in known)
    without = sum(s.without_record and s.outcome != "auto" for s in known)
    ages = [(now - s.asked_at).total_seconds() / 86400 for s in known if s.asked_at is not None]
    counted = len(known) - without
    methods = Counter(s.method or "unknown" for s in known if s.outcome == "auto")
    return IdentityReport(
        customers=len(known),
        linked=outcomes["auto"],
        asked=outcomes["review"],
        unmatched=outcomes["none"],
        without_record=without,
        match_rate=round(outcomes["auto"] / counted, 4) if counted else None,
        methods=tuple(sorted(methods.items(), key=lambda entry: (-entry[1], entry[0]))),
        median_age_days=round(median(ages), 1) if ages else None,
        oldest_age_days=round(max(ages), 1) if ages else None,
        drift=drift(reviewed),
        calibration=calibrated(reviewed),
    )


def report_lines(found: IdentityReport) -> list[str]:
    """The report for a person to read."""
    rate = "no customers yet" if found.match_rate is None else f"{found.match_rate:.1%}"
    lines = [
        (
            f"match rate {rate}: {found.linked} linked of {found.customers - found.without_record} "
            f"customers not known to be without a record"
        ),
        (
            f"asked {found.asked}, neither linked nor asked {found.unmatched}, "
            f"without a record {found.without_record}"
        ),
    ]
    lines += [f"linked by {method}: {count}" for method, count in found.methods]
    if found.oldest_age_days is not None:
        lines.append(
            f"reviews wait {found.median_age_days} days (median), {found.oldest_age_days} at most"
        )
    lines += [
        f"probability {d.start:.2f} to {d.end:.2f}: said {d.said:.3f}, found {d.found:.3f} "
        f"in {d.decisions} reviews"
        for d in found.drift
    ]
    learnt = found.calibration.decisions
    lines.append(f"calibrated on {learnt} reviews" if learnt else "not calibrated: too few reviews")
    return lines
