"""Who is there twice: candidates by the product's keys, evidence for and against."""

from typing import Any

import pytest
from plumbline_domain.identity.duplicates import (
    Duplicate,
    crowds,
    duplicate_sentence,
    duplicates,
    one_each,
    pairs,
    shipped_pairs,
    weigh,
)
from plumbline_domain.identity.index import Side
from plumbline_domain.identity.keys import FAN_OUT
from plumbline_domain.identity.profile import Party, Profile, customer_profile, record_profile

WEIGHTS = shipped_pairs()


def rec(i: str, name: str, *domains: str, **facts: Any) -> Profile:
    return record_profile(Party(i, name=name, domains=domains, **facts))


def cus(i: str, name: str, *emails: str, **facts: Any) -> Profile:
    return customer_profile(Party(i, name=name, emails=emails, **facts))


def found(side: Side, *profiles: Profile) -> list[tuple[str, str]]:
    return [(one.one, one.other) for one in duplicates(side, profiles, WEIGHTS)]


def test_a_company_entered_twice_is_found_with_what_speaks_for_it() -> None:
    one = rec("1", "Nordlys Oy", "nordlys.example", city="Turku")
    two = rec("2", "Nordlys", "nordlys.example", city="Turku")
    [pair] = duplicates("record", [two, one, rec("3", "Fjell", "fjell.example")], WEIGHTS)
    assert (pair.one, pair.other) == ("1", "2")
    assert {piece.code for piece in pair.evidence} >= {"domain.same", "name.same_two", "city.same"}
    assert pair.score == WEIGHTS.record.bias + sum(piece.weight for piece in pair.evidence)
    said = [duplicate_sentence(piece) for piece in pair.evidence]
    assert "both have the domain nordlys.example" in said


def test_companies_of_one_domain_but_other_names_are_two() -> None:
    one = rec("1", "Nordlys Energia", "group.example")
    two = rec("2", "Fjell Shipping", "group.example")
    assert found("record", one, two) == []


def test_a_subsidiary_is_no_duplicate_of_its_parent() -> None:
    facts = {"city": "Turku", "country": "FI"}
    parent = rec("1", "Nordlys Group", "nordlys.example", **facts)
    free = weigh(
        parent, rec("2", "Nordlys", "nordlys.example"), crowds("record", ()), WEIGHTS.record
    )
    bound = weigh(
        parent,
        rec("2", "Nordlys", "nordlys.example", parent_id="1"),
        crowds("record", ()),
        WEIGHTS.record,
    )
    assert bound.score < free.score


def test_namesakes_in_two_countries_are_two() -> None:
    one = rec("1", "Atlas Logistics", "atlas.example", city="Oslo", country="NO")
    two = rec("2", "Atlas Logistics", "atlas-logistics.example", city="Lima", country="PE")
    assert found("record", one, two) == []


def test_a_customer_that_signed_up_twice_is_found() -> None:
    one = cus("1", "Nordlys Oy", "pay@nordlys.example")
    two = cus("2", "Nordlys", "pay@nordlys.example")
    assert found("customer", one, two) == [("1", "2")]


def test_a_bookkeeper_pays_for_several_that_are_not_one() -> None:
    one = cus("1", "Nordlys Oy", "office@books.example")
    two = cus("2", "Fjell Shipping AS", "office@books.example")
    assert found("customer", one, two) == []


@pytest.mark.parametrize(
    ("facts", "code"),
    [({"tax_ids": ("DE136695976",)}, "tax.same"), ({"stripe_ids": ("cus_1",)}, "stripe.same")],
)
def test_an_identifier_weighs_more_than_a_name(facts: dict[str, Any], code: str) -> None:
    one, two = rec("1", "Nordlys Oy", **facts), rec("2", "Northern Lights Trading", **facts)
    around = crowds("record", [one, two])
    assert pairs(around) == [("1", "2")]
    pair = weigh(one, two, around, WEIGHTS.record)
    heaviest = max(pair.evidence, key=lambda piece: piece.weight)
    assert heaviest.code == code


def test_the_order_of_the_two_and_of_the_book_changes_nothing() -> None:
    book = [
        rec(str(n), name, "nordlys.example", country="FI")
        for n, name in enumerate(["Nordlys Oy", "Nordlys", "Nordlys Energia", "Nordlys Oyj"])
    ]
    assert duplicates("record", book, WEIGHTS) == duplicates("record", book[::-1], WEIGHTS)


def test_a_key_that_a_crowd_holds_makes_no_pairs() -> None:
    crowd = [rec(str(n), f"Firm {n}", phone="+49 30 1234567") for n in range(FAN_OUT + 1)]
    assert pairs(crowds("record", crowd)) == []
    assert len(pairs(crowds("record", crowd[:-1]))) == FAN_OUT * (FAN_OUT - 1) // 2


@pytest.mark.parametrize("name", ["", "x" * 10_000, "🙂", "n/a", "test", "\x00\x07"])
def test_odd_names_make_no_duplicate_of_anybody(name: str) -> None:
    assert found("record", rec("1", name), rec("2", name)) == []
    assert found("customer", cus("1", name, "a@@b"), cus("2", name, "a@@b")) == []


def test_a_name_of_another_script_is_a_name() -> None:
    name = "\u0634\u0631\u0643\u0629 \u0627\u0644\u0646\u0648\u0631"
    assert found("record", rec("1", name), rec("2", f"\u202e{name}")) == [("1", "2")]


def linked(one: str, other: str, score: int = 1) -> Duplicate:
    return Duplicate(one, other, score, 0.9, ())


def test_of_many_alike_each_is_named_once() -> None:
    made = [linked("1", "2", 9), linked("2", "3", 8), linked("1", "3", 7), linked("4", "5", 6)]
    assert one_each(made, ()) == [made[0], made[1], made[3]]


def test_what_a_person_called_two_holds_nobody_together() -> None:
    made = [linked("1", "2", 9), linked("2", "3", 8), linked("1", "3", 7)]
    assert one_each(made, {frozenset("12")}) == [made[1], made[2]]
