"""Clock, fault rules and call log, which every simulator shares."""

from datetime import UTC, datetime, timedelta

import pytest
from plumbline_simulators.calllog import CallLog, default_template
from plumbline_simulators.clock import ClockError, SimulatedClock, parse_instant
from plumbline_simulators.faults import FaultBook, FaultError

START = datetime(2026, 1, 1, tzinfo=UTC)


class RealTime:
    def __init__(self):
        self.seconds = 100.0

    def __call__(self):
        return self.seconds


def test_a_frozen_clock_moves_only_when_told():
    real = RealTime()
    clock = SimulatedClock(START, frozen=True, monotonic=real)
    real.seconds += 60
    assert clock.now() == START
    clock.advance(10)
    assert clock.epoch() == int(START.timestamp()) + 10
    clock.run()
    real.seconds += 5
    assert clock.now() == START + timedelta(seconds=15)
    clock.freeze()
    real.seconds += 5
    assert clock.now() == START + timedelta(seconds=15)


def test_a_running_clock_keeps_its_offset_after_a_jump():
    real = RealTime()
    clock = SimulatedClock(START, monotonic=real)
    clock.advance_to(START + timedelta(days=3))
    real.seconds += 1.5
    assert clock.now() == START + timedelta(days=3, seconds=1.5)
    with pytest.raises(ClockError, match="cannot go back"):
        clock.advance_to(START)


@pytest.mark.parametrize("text", ["yesterday", "2026-01-01T00:00:00", None, True, []])
def test_instants_without_a_zone_or_sense_are_refused(text):
    with pytest.raises(ClockError):
        parse_instant(text)


def kinds(book, number, path="/v1/x", method="GET"):
    found = []
    for _ in range(number):
        actions = book.actions("request", method, path)
        found.append(actions[0].kind if actions else "-")
    return found


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"nth": 2}, "-x--"),
        ({"every": 2}, "-x-x"),
        ({"times": 1}, "x---"),
        ({"skip": 1, "every": 2}, "--x-"),
        ({"method": "POST"}, "----"),
        ({"path": "/v2"}, "----"),
        ({"channel": "delivery"}, "----"),
        ({"percentage": 100}, "xxxx"),
        ({"percentage": 0}, "----"),
    ],
)
def test_rules_fire_when_they_say(rule, expected):
    book = FaultBook()
    book.add_json({**rule, "action": "status"})
    assert "".join("x" if kind != "-" else "-" for kind in kinds(book, 4)) == expected


@pytest.mark.parametrize(
    ("rule", "word"),
    [
        ({}, "action"),
        ({"action": {"kind": "melt"}}, "kind"),
        ({"action": "delay", "nht": 1}, "nht"),
        ({"action": "delay", "nth": 0}, "nth"),
        ({"action": "delay", "path": "("}, "path"),
        ({"action": "delay", "channel": "radio"}, "channel"),
        ({"action": {"kind": "status", "status": "429"}}, "status"),
    ],
)
def test_rules_that_make_no_sense_are_named(rule, word):
    with pytest.raises(FaultError, match=word):
        FaultBook().add_json(rule)


def log_call(log, path, body=b"", headers=None):
    log.add(
        method="POST",
        path=path,
        query="",
        status=200,
        headers=headers or {},
        body=body,
        started_at=0.0,
        duration_seconds=0.001,
    )


def test_the_log_is_bounded_and_its_counters_are_not():
    log = CallLog(max_bytes=2000)
    for number in range(50):
        log_call(log, f"/crm/v3/objects/companies/{number}")
    assert log.counts == {("POST", "/crm/v3/objects/companies/{id}"): 50}
    kept = log.calls()
    assert 1 <= len(kept) < 50
    assert kept[-1]["path"].endswith("/49")


def test_the_log_holds_no_credentials():
    log = CallLog()
    body = b"grant_type=refresh_token&client_secret=hush&refresh_token=hush2"
    log_call(log, "/oauth/v1/token", body, {"authorization": "Bearer hush", "accept": "*/*"})
    assert "hush" not in str(log.calls())
    assert log.calls()[0]["headers"] == {"accept": "*/*"}


def test_templates_keep_versions_and_drop_ids():
    assert default_template("/crm/objects/2026-03/companies/12") == (
        "/crm/objects/2026-03/companies/{id}"
    )
    assert default_template("/v1/customers/cus_1/x") == "/v1/customers/{id}/x"
