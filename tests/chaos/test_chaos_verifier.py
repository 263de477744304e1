"""The verifier catches what it is for: each violation is planted in sound evidence."""

from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.evidence import (
    Change,
    Course,
    Evidence,
    Letter,
    Made,
    Observed,
    Outcome,
    Published,
    Raw,
    Read,
    Replay,
    Sent,
    Stored,
    Write,
)
from tests.chaos.invariants import ACCOUNT_ID, judge, violations
from tests.chaos.soak import Samples, slope
from tests.chaos.truth import amount, expected, monthly

SECOND = 1_790_000_000
RECEIVED = SECOND * 1000 + 500


def stripe(offset: int, name: str, kind: str = "subscription", second: int = SECOND) -> Raw:
    body = {"id": name, "created": second, "data": {"object": {"object": kind, "id": "sub_1"}}}
    return Raw(0, offset, name, "stripe", RECEIVED, body)


def hubspot(offset: int, event_id: int, **more: Any) -> Raw:
    row = {"eventId": event_id, "objectId": 7, "subscriptionType": "company.propertyChange"}
    return Raw(0, offset, f"digest{offset}", "hubspot", RECEIVED, [{**row, **more}])


def sound() -> Evidence:
    """Two changes of one subscription, a charge, a renamed company: all handled."""
    return Evidence(
        acked={"evt_1": 1, "evt_2": 1, "evt_3": 1},
        notified=[100, 101],
        raws=[
            stripe(0, "evt_1"), stripe(1, "evt_2", second=SECOND + 1),
            stripe(2, "evt_3", kind="payout"),
            hubspot(3, 100, propertyName="name"), hubspot(4, 101, propertyName="plumbline_mrr"),
        ],
        observed=[
            Observed(0, 0, "chaos/stripe/subscription/sub_1", "evt_1"),
            Observed(0, 1, "chaos/stripe/subscription/sub_1", "evt_2"),
        ],
        objects={
            "subscription/sub_1": Stored((SECOND + 1) * 1000, False, frozenset({"evt_2"}))
        },
        ledger=[Change(1, "acc_1", "evt_1", 1), Change(2, "acc_1", "evt_2", 0)],
        states=[Published("s1", "acc_1", 1), Published("s2", "acc_1", 2)],
        events=[Published("acc_1:1:0", "acc_1", 1)],
        versions={"acc_1": 2},
        reads={("company", "7"): Read("done", RECEIVED + 10)},
        outcomes=[
            Outcome("o1", "7", "acc_1", 1, "written", "k1"),
            Outcome("o2", "7", "acc_1", 2, "written", "k2"),
        ],
        sent=[Sent("k1", "7", "a", 200), Sent("k1", "7", "a", 0), Sent("k2", "7", "b", 200)],
        writes=[
            Write("7", "k1", {"plumbline_mrr": "10"}), Write("7", "k2", {"plumbline_mrr": "20"}),
        ],
        made=[Made(SECOND, "cus_1", "s", "10"), Made(SECOND + 1, "cus_1", "s", "20")],
        companies={"cus_1": "7"},
        shown={"7": {"plumbline_mrr": "20", "name": "Seven"}, "8": {"name": "Eight"}},
        expected={"7": {"plumbline_mrr": "20"}, "8": {}},
        positions={("observe", 0): 5, ("matcher", 0): 2},
        backlog={"observe": 0, "effects": 0},
    )  # fmt: skip


def made(name: str, record: str) -> Outcome:
    return Outcome(name, record, "acc_1", 1, "created", "acc_1")


def test_a_newcomer_has_one_record_whose_making_is_told_again_under_the_same_id() -> None:
    evidence = replace(
        sound(),
        newcomers=["new.example"], beside_the_book={"9": "new.example"},
        outcomes=[made("o1", "9"), made("o1", "9")],
        writes=[Write("9", "acc_1", {ACCOUNT_ID: "acc_1"})],
    )  # fmt: skip
    findings = judge(evidence, Course())
    assert violations(findings) == []
    by_name = {one.name: one.figures for one in findings}
    assert by_name["I2"].endswith("1 records made")
    assert by_name["I5"].endswith("1 of newcomers")


def test_sound_evidence_has_no_violation() -> None:
    findings = judge(sound(), Course(stops=[("matcher", 0.3, 0)], accepted_without_acks=[0]))
    assert violations(findings) == []
    assert [one.name for one in findings] == [f"I{number}" for number in range(1, 10)]
    by_name = {one.name: one.figures for one in findings}
    assert by_name["I4"] == (
        "5 accepted = 3 applied + 0 unchanged + 0 superseded + 2 skipped + 0 dead + 0 in flight"
    )
    assert by_name["I2"] == "3 rows sent, 2 keys, 1 repeated, 0 records made"


def planted(**changes: Any) -> list[str]:
    return violations(judge(replace(sound(), **changes), Course()))


RAWS, LEDGER = sound().raws, sound().ledger


@pytest.mark.parametrize(
    ("changes", "invariant", "words"),
    [
        ({"raws": RAWS[1:]}, "I1", ("evt_1", "0 records")),
        ({"acked": {"evt_1": 2}}, "I1", ("evt_1", "2 times", "1 records")),
        ({"notified": [100, 555]}, "I1", ("notification 555",)),
        ({"ledger": [*LEDGER, Change(3, "acc_1", "evt_2", 0)]}, "I1", ("evt_2", "acc_1", "2 ti")),
        ({"ledger": [*LEDGER, Change(2, "acc_2", "evt_2", 0)]}, "I1", ("sequence 2",)),
        ({"sent": [Sent("k1", "7", "a", 200), Sent("k1", "7", "c", 200)]}, "I2", ("k1", "a | c")),
        ({"sent": [Sent("k1", "7", "a", 200), Sent("k1", "9", "a", 200)]}, "I2", ("k1", "7, 9")),
        ({"sent": [Sent("", "7", "a", 200)]}, "I2", ("7", "without")),
        ({"outcomes": [Outcome("o1", "7", "acc_1", 1, "written", "k1"),
                       Outcome("o2", "7", "acc_1", 1, "written", "k2")]},
         "I2", ("record 7 version 1", "2 keys")),
        ({"outcomes": [Outcome("o1", "7", "acc_1", 2, "written", "k2"),
                       Outcome("o2", "7", "acc_1", 1, "written", "k1")]},
         "I3", ("record 7", "version 1 after 2")),
        ({"states": [Published("s2", "acc_1", 2), Published("s1", "acc_1", 1)]},
         "I3", ("acc_1", "1 published after 2")),
        ({"writes": list(reversed(sound().writes))}, "I3", ("company 7", "mrr 10")),
        ({"writes": [Write("7", "k1", {"plumbline_mrr": "99"})]}, "I3", ("company 7", "99")),
        ({"observed": sound().observed[1:]}, "I4", ("evt_1", "no observation")),
        ({"ledger": LEDGER[:1], "objects": {}}, "I4", ("evt_2", "not stored")),
        ({"ledger": LEDGER[:1],
          "objects": {"subscription/sub_1": Stored(SECOND * 1000, False, frozenset())}},
         "I4", ("evt_2", "stored as of")),
        ({"ledger": LEDGER[:1],
          "objects": {"subscription/sub_1": Stored((SECOND + 1) * 1000, False, frozenset())}},
         "I4", ("evt_2", "not among")),
        ({"raws": [*RAWS, Raw(0, 5, "x", "stripe", 0, None)], "positions": {("observe", 0): 6,
          ("matcher", 0): 2}}, "I4", ("delivery x", "no dead letter")),
        ({"letters": [Letter("webhooks.received.v1", (0, 0), "invalid", "s")]},
         "I4", ("1 dead letters, expected 0", "invalid", "s")),
        ({"letters": [Letter("webhooks.received.v1", (0, 0), "invalid", "s")] * 2},
         "I4", ("0/0: 2 times",)),
        ({"reads": {}}, "I4", ("company 7", "never")),
        ({"reads": {("company", "7"): Read("pending", RECEIVED + 10)}}, "I4", ("pending",)),
        ({"reads": {("company", "7"): Read("done", RECEIVED - 1)}}, "I4", ("before the noti",)),
        ({"backlog": {"effects": 3}}, "I4", ("in flight: effects 3",)),
        ({"unfinished": ["company 7 failed: x"]}, "I4", ("company 7 failed",)),
        ({"versions": {"acc_1": 3}}, "I4", ("acc_1", "version 3", "last published 2")),
        ({"events": []}, "I4", ("acc_1:1:0", "not published")),
        ({"shown": {"7": {"plumbline_mrr": "10"}}}, "I5", ("company 7", "('20', '10')")),
        ({"shown": {**sound().shown, "8": {"plumbline_mrr": "1"}}}, "I5", ("8 has no customer",)),
        ({"outcomes": [made("o1", "9"), made("o2", "9")]}, "I2", ("acc_1", "told 2 times")),
        ({"outcomes": [made("o1", "9")], "writes": [Write("10", "acc_1", {ACCOUNT_ID: "acc_1"})]},
         "I2", ("acc_1", "10, 9")),
        ({"newcomers": ["new.example"]}, "I5", ("new.example", "0 companies")),
        ({"newcomers": ["new.example"], "beside_the_book": {"9": "new.example",
          "10": "new.example"}}, "I5", ("new.example", "2 companies")),
        ({"beside_the_book": {"9": "old.example"}}, "I5", ("company 9", "old.example", "nobody")),
    ],
)  # fmt: skip
def test_a_planted_violation_is_found(
    changes: dict[str, Any], invariant: str, words: tuple[str, ...]
) -> None:
    found = planted(**changes)
    assert any(
        one.startswith(f"{invariant}: ") and all(word in one for word in words) for one in found
    ), found


def test_amounts_of_an_emptied_book_are_only_excused_where_one_was_shown() -> None:
    there = Write("7", "k3", {"plumbline_mrr": "0"})
    evidence = replace(sound(), writes=[sound().writes[0], there, *sound().writes[1:]])
    assert violations(judge(evidence, Course(emptied=True))) == []
    (found,) = violations(judge(evidence, Course()))
    assert found.startswith("I3: company 7: mrr 0")


def test_what_is_on_its_way_is_counted_and_only_the_backlog_says_it_is_wrong() -> None:
    evidence = replace(sound(), positions={("observe", 0): 1, ("matcher", 0): 0})
    findings = judge(evidence, Course())
    assert "5 in flight" in next(one.figures for one in findings if one.name == "I4")


def test_a_repeated_delivery_is_unchanged_and_an_overtaken_one_superseded() -> None:
    evidence = replace(
        sound(),
        raws=[*RAWS, stripe(5, "evt_1")],
        ledger=[Change(2, "acc_1", "evt_2", 0)],
        positions={("observe", 0): 6, ("matcher", 0): 2},
    )
    findings = judge(evidence, Course())
    assert violations(findings) == []
    figures = next(one.figures for one in findings if one.name == "I4")
    assert "2 applied + 1 unchanged + 1 superseded" in figures


@pytest.mark.parametrize(
    ("course", "violation"),
    [
        (Course(replay=Replay("offset 0", 2, 9, [], None)), "I6: 2 writes"),
        (Course(replay=Replay("offset 0", 0, 9, ["link x"], None)), "I6: link x is not what"),
        (Course(replay=Replay("offset 0", 0, 9, [], False)), "I6: a rebuild"),
        (Course(settled_seconds=None, settle_limit=9), "I7: not at rest 9 s"),
        (Course(stops=[("matcher", 0.1, 1)]), "I8: matcher: stopped after 0.1 s with status 1"),
        (Course(stops=[("matcher", 21.0, 0)]), "I8: matcher: stopped after 21.0 s"),
        (Course(accepted_without_acks=[0, 4]), "I9: 4 deliveries"),
    ],
)
def test_what_the_harness_measured_is_judged(course: Course, violation: str) -> None:
    found = violations(judge(sound(), course))
    assert len(found) == 1
    assert found[0].startswith(violation)


def test_the_model_of_the_truth() -> None:
    price = {"unit_amount": 1000, "lookup_key": "k",
             "recurring": {"interval": "year", "interval_count": 1}}  # fmt: skip
    item = {"id": "si", "created": 1, "quantity": 3, "price": price}
    row = {"id": "sub", "status": "active", "start_date": 1, "ended_at": None,
           "cancel_at_period_end": False, "items": {"data": [item]}}  # fmt: skip
    assert amount(monthly(row)) == "2.5"
    values = expected(["cus_1"], [row], [{"status": "paid", "attempted": True}])
    assert (values["plumbline_mrr"], values["plumbline_state"]) == ("2.5", "active")
    gone = {**row, "status": "canceled", "ended_at": 5}
    assert expected(["cus_1"], [gone], [])["plumbline_state"] == "churned"
    later = {**item, "price": {**price, "lookup_key": "later"}}
    brief = {**gone, "id": "a", "start_date": 5, "items": {"data": [later]}}
    for rows in ([gone, brief], [brief, gone]):  # ended in one second: the one that began first
        assert expected(["cus_1"], rows, [])["plumbline_plan"] == "k"
    assert expected([], [], []) == {}


def test_the_slope_is_that_of_least_squares() -> None:
    assert slope([]) == slope([(1.0, 5.0)]) == slope([(2.0, 1.0), (2.0, 9.0)]) == 0.0
    assert slope([(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]) == pytest.approx(2.0)
    assert slope([(0.0, 0.0), (1.0, 3.0), (2.0, 0.0)]) == pytest.approx(0.0)


def test_samples_are_told_by_the_longest_life() -> None:
    samples = Samples()
    samples.lives["matcher", 1] = [(0.0, 10_000_000, 5), (10.0, 90_000_000, 50)]
    samples.lives["matcher", 2] = [(float(at), 50_000_000, 20) for at in range(20, 120, 5)]
    (line,) = samples.table()
    assert "2 lives" in line
    assert "50.0 MB (    +0.0 MB/h)" in line
    assert "20 files (   +0.0 /h)" in line


def test_samples_of_the_calm_are_told_apart() -> None:
    samples = Samples(calm_since=50.0)
    samples.lives["edge", 1] = [(float(at), at * 1_000_000, 5) for at in range(0, 50, 5)]
    samples.lives["edge", 2] = [(float(at), 80_000_000, 9) for at in range(45, 120, 5)]
    _, calm = samples.table()
    assert "in the calm" in calm
    assert "65 s:   80.0 MB (    +0.0 MB/h),    9 files" in calm
