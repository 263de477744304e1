"""Thresholds from a precision, calibration from review decisions, the report."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from plumbline_domain.identity.calibrate import (
    ENOUGH,
    NONE,
    Reviewed,
    calibrated,
    drift,
    expected,
    threshold_for,
)
from plumbline_domain.identity.report import Standing, report, report_lines

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def reviews(count: int, seed: int, *, too_sure: float = 0.0) -> list[Reviewed]:
    """Decisions of a score that is right less often than it says by `too_sure`."""
    rng = random.Random(seed)
    said = [round(rng.random(), 3) for _ in range(count)]
    return [Reviewed(p, rng.random() < p - too_sure) for p in said]


def test_too_few_decisions_change_nothing() -> None:
    assert calibrated(reviews(ENOUGH - 1, 1)) is NONE
    assert NONE(0.7) == 0.7


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_calibration_corrects_a_score_that_is_too_sure(seed: int) -> None:
    found = calibrated(reviews(2000, seed, too_sure=0.2))
    assert found.decisions == 2000
    assert abs(found(0.9) - 0.7) < 0.08
    assert abs(found(0.5) - 0.3) < 0.1


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_calibration_keeps_the_order_and_never_says_certain(seed: int) -> None:
    found = calibrated(reviews(400, seed))
    values = [found(n / 200) for n in range(201)]
    assert values == sorted(values)
    assert 0.0 < values[0] < values[-1] < 1.0


def test_calibration_is_the_same_in_any_order() -> None:
    seen = reviews(500, 4)
    assert calibrated(seen) == calibrated(list(reversed(seen)))


def test_threshold_reaches_the_precision_and_no_lower_one_does() -> None:
    probabilities = [n / 1000 for n in range(1001)]
    found = threshold_for(probabilities, 0.95)
    assert found.wrong_per_1000 <= 50.0
    assert expected(probabilities, found.auto_at - 0.01).wrong_per_1000 > 50.0
    assert str(found) == "from 0.900 on 101 would link, about 50.0 wrong in 1,000"


def test_a_stricter_target_never_lowers_the_threshold() -> None:
    probabilities = [p for p, _ in reviews(500, 5)]
    found = [threshold_for(probabilities, p).auto_at for p in (0.9, 0.95, 0.99, 0.997)]
    assert found == sorted(found)


def test_nothing_links_when_no_threshold_is_good_enough() -> None:
    found = threshold_for([0.5, 0.6], 0.99)
    assert found.linked == 0
    assert found.auto_at > 1.0


@pytest.mark.parametrize("precision", [0.0, 1.0, -1.0, 2.0])
def test_a_target_that_is_no_share_is_refused(precision: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        threshold_for([0.9], precision)


def test_drift_compares_said_and_found() -> None:
    [low, high] = drift([Reviewed(0.1, False), Reviewed(1.0, True), Reviewed(0.99, False)])
    assert (low.decisions, low.said, low.found) == (1, 0.1, 0.0)
    assert (high.decisions, high.said, high.found) == (2, 0.995, 0.5)


def test_report_defines_its_match_rate() -> None:
    waiting = Standing("review", asked_at=NOW - timedelta(days=3))
    known = [
        Standing("auto", "crm_id"),
        Standing("auto", "evidence"),
        Standing("auto", "evidence"),
        waiting,
        Standing("none", without_record=True),
    ]
    found = report(known, [], NOW)
    assert (found.match_rate, found.asked, found.without_record) == (0.75, 1, 1)
    assert found.methods == (("evidence", 2), ("crm_id", 1))
    assert (found.median_age_days, found.oldest_age_days) == (3.0, 3.0)
    lines = report_lines(found)
    assert lines[0].startswith("match rate 75.0%: 3 linked of 4 customers")
    assert lines[-1] == "not calibrated: too few reviews"


def test_report_of_an_empty_workspace() -> None:
    assert report_lines(report([], [], NOW))[0].startswith("match rate no customers yet")
