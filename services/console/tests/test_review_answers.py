"""What an answer to a review item means: decisions, or a sentence that says why not."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from console.accounts import NotFound
from console.deciding.run import Refused
from console.deciding.standing import short_id, shortest
from console.review.choices import (
    Choice,
    Maker,
    answers_for_group,
    decisions_for,
    group_of,
)
from console.review.domains import common_domain
from console.review.items import find, grouped
from console.review.undoing import matching
from plumbline_schemas.attention_details import Candidate
from plumbline_schemas.ids import ExternalKey, account_id
from plumbline_schemas.internal import Decision
from plumbline_schemas.money import Money
from plumbline_schemas.review_outputs import ReviewItem, StandingDecision

AT = datetime(2026, 9, 21, 12, tzinfo=UTC)
MAKER = Maker("mara", AT)


def cus(number: int) -> ExternalKey:
    return ExternalKey(f"acme/stripe/customer/cus_{number}")


def rec(number: int) -> ExternalKey:
    return ExternalKey(f"acme/hubspot/company/{number}")


def item(number: int = 1, records: Sequence[int] = (900, 901), **facts: Any) -> ReviewItem:
    kind = facts.pop("kind", "review_match")
    key = f"acme/{kind}/{cus(number)}"
    plain: dict[str, Any] = {
        "id": short_id(key)[:6],
        "workspace": "acme",
        "kind": kind,
        "subject": cus(number),
        "summary": "?",
        "opened_at": AT - timedelta(hours=number),
        "age_seconds": 3600 * number,
        "group": None,
        "mrr": None,
        "customer": cus(number),
        "candidates": tuple(Candidate(record=rec(one)) for one in records),
    }
    return ReviewItem.model_validate(plain | facts)


def shared(*numbers: int) -> ReviewItem:
    return item(
        kind="ambiguous_match",
        subject=account_id(cus(numbers[0])),
        customer=None,
        candidates=(),
        record=rec(900),
        customers=tuple(map(cus, numbers)),
    )


def nobody(text: str) -> ExternalKey:
    raise Refused(f"no CRM record {text!r} is known")


def answer(one: ReviewItem, action: Any, *named: str, maker: Maker = MAKER) -> list[Decision]:
    return decisions_for(one, Choice(action, named), maker, nobody)


def plain(made: Sequence[Decision]) -> list[tuple[str, str | None, str | None]]:
    return [(one.action, one.customer, one.record) for one in made]


@pytest.mark.parametrize("named", ["b", "901", rec(901)])
def test_a_record_is_named_by_letter_id_or_key(named: str) -> None:
    [made] = answer(item(), "link", named)
    assert plain([made]) == [("link", cus(1), rec(901))]
    assert (made.decided_by, made.decided_at) == ("mara", AT)


def test_every_candidate_may_be_ruled_out_at_once() -> None:
    assert plain(answer(item(), "not_this", "all")) == [
        ("not_this", cus(1), rec(900)),
        ("not_this", cus(1), rec(901)),
    ]


@pytest.mark.parametrize("action", ["create", "agency"])
def test_some_answers_are_about_the_customer_alone(action: str) -> None:
    assert plain(answer(item(), action)) == [(action, cus(1), None)]


def test_a_record_that_is_no_candidate_needs_force() -> None:
    with pytest.raises(Refused, match=r"'77' is no candidate of item .*--force"):
        answer(item(), "link", "77")
    forced = Choice("link", ("77",), force=True)
    [made] = decisions_for(item(), forced, MAKER, lambda text: rec(int(text)))
    assert made.record == rec(77)
    with pytest.raises(Refused, match="no CRM record '77' is known"):
        decisions_for(item(), forced, MAKER, nobody)


def test_a_vendor_id_on_two_records_is_asked_about() -> None:
    two = item(candidates=(Candidate(record=rec(5)), Candidate(record="acme/other/company/5")))
    with pytest.raises(Refused, match="'5' is several records"):
        answer(two, "link", "5")
    assert answer(two, "link", "b")[0].record == "acme/other/company/5"


def test_an_answer_of_another_kind_is_refused_with_those_that_fit() -> None:
    with pytest.raises(Refused, match=r"--keep-merged does not answer review_match; it takes --li"):
        answer(item(), "keep_merged")
    with pytest.raises(Refused, match=r"takes --split CUSTOMER, --keep-merged, --winner CUSTOMER"):
        answer(shared(1, 2), "link", "a")


def test_customers_that_share_a_record_are_kept_split_or_one_wins() -> None:
    two = shared(1, 2)
    assert plain(answer(two, "keep_merged")) == [
        ("keep_merged", cus(1), None),
        ("keep_merged", cus(2), None),
    ]
    assert plain(answer(two, "split", "cus_2")) == [("split", cus(2), rec(900))]
    assert plain(answer(two, "pick_winner", "a")) == [("pick_winner", cus(1), None)]
    with pytest.raises(Refused, match="'cus_3' is not one of the customers"):
        answer(two, "split", "cus_3")


def test_keeping_them_together_leaves_a_persons_links_as_they_are() -> None:
    settled = Maker("mara", AT, frozenset({cus(1)}))
    assert plain(answer(shared(1, 2), "keep_merged", maker=settled)) == [
        ("keep_merged", cus(2), None)
    ]
    both = Maker("mara", AT, frozenset({cus(1), cus(2)}))
    with pytest.raises(Refused, match="linked by a person already"):
        answer(shared(1, 2), "keep_merged", maker=both)


@pytest.mark.parametrize(
    ("kind", "keys", "role"),
    [
        ("duplicate_records", (rec(1), rec(2)), "record"),
        ("duplicate_customers", (cus(1), cus(2)), "customer"),
    ],
)
def test_duplicates_may_be_two(kind: str, keys: tuple[str, str], role: str) -> None:
    [made] = answer(item(kind=kind, customer=None, keys=keys, candidates=()), "not_duplicate")
    assert (getattr(made, role), made.other) == keys


def test_a_group_is_answered_alike_where_the_answer_fits() -> None:
    first = item(1, (900, 901), group="nordlys.example")
    fits = item(2, (901,), group="nordlys.example")
    not_among = item(3, (77,), group="nordlys.example")
    elsewhere = item(4, (901,), group="other.example")
    members = group_of(first, [elsewhere, not_among, fits, first])
    assert [one.customer for one in members] == [cus(1), cus(3), cus(2)]
    made, alone = answers_for_group(members, Choice("link", ("b",)), MAKER, nobody)
    assert plain(made) == [("link", cus(1), rec(901)), ("link", cus(2), rec(901))]
    assert [one.item for one in alone] == [not_among.id]


def test_an_agency_is_one_decision_for_its_whole_domain() -> None:
    group = [item(n, group="books.example") for n in (1, 2, 3)]
    made, alone = answers_for_group(group, Choice("agency"), MAKER, nobody)
    assert (plain(made), alone) == ([("agency", cus(1), None)], [])


def test_all_candidates_of_a_group_are_ruled_out_each_its_own() -> None:
    group = [item(1, (900,), group="x.example"), item(2, (901,), group="x.example")]
    made, _ = answers_for_group(group, Choice("not_this", ("all",)), MAKER, nobody)
    assert [(one.customer, one.record) for one in made] == [(cus(1), rec(900)), (cus(2), rec(901))]


def test_what_has_no_group_is_not_answered_as_one() -> None:
    with pytest.raises(Refused, match="belongs to no group"):
        group_of(item(), [item()])
    with pytest.raises(Refused, match="asks about ambiguous_match"):
        group_of(shared(1, 2), [])


def euros(minor: int, currency: str = "eur") -> Money:
    return Money(minor=minor, currency=currency)


def test_most_mrr_first_domains_together_and_an_account_counted_once() -> None:
    one = item(1, group="a.example", mrr=euros(100), account=account_id(cus(1)))
    same = item(1, kind="questioned_link", group="a.example", mrr=euros(100), account=one.account)
    two = item(2, group="a.example", mrr=euros(250), account=account_id(cus(2)))
    rich = item(3, mrr=euros(300))
    poor = item(4)
    found = grouped([poor, one, rich, same, two])
    assert found.open == 5
    assert [(group.group, group.mrr) for group in found.groups] == [
        ("a.example", [euros(350)]),
        (None, [euros(300)]),
        (None, []),
    ]
    assert found.groups[0].items[0].customer == cus(2)


def test_amounts_of_two_currencies_are_neither_added_nor_compared() -> None:
    yen = item(1, group="a.example", mrr=euros(9_000, "jpy"))
    euro = item(2, group="a.example", mrr=euros(10))
    [group] = grouped([yen, euro]).groups
    assert group.mrr == [euros(10), euros(9_000, "jpy")]


def test_the_oldest_first_where_money_says_nothing() -> None:
    found = grouped([item(1), item(3), item(2)])
    assert [group.items[0].customer for group in found.groups] == [cus(3), cus(2), cus(1)]


def test_an_item_is_found_by_what_a_person_types() -> None:
    items = [item(1), item(2)]
    whole = short_id(f"acme/review_match/{cus(2)}")
    for text in (whole[:4], whole, whole[:6].upper(), "cus_2", cus(2)):
        assert find(items, text).customer == cus(2), text
    with pytest.raises(NotFound, match="no open item 'cus_9'"):
        find(items, "cus_9")
    with pytest.raises(NotFound, match="is several items"):
        find([item(1), item(1, kind="questioned_link")], "cus_1")


def test_ids_are_stable_and_grow_only_where_they_clash() -> None:
    keys = [f"acme/review_match/{n}" for n in range(40_000)]
    ids = shortest(keys)
    assert len(set(ids.values())) == len(keys)
    assert all(short_id(key).startswith(i) and len(i) >= 6 for key, i in ids.items())
    assert shortest(keys[:2]) == {key: short_id(key)[:6] for key in keys[:2]}


def test_a_domain_is_shared_when_all_write_from_it_and_it_is_a_companys() -> None:
    assert common_domain(["a@nordlys.example", "b@mail.nordlys.example"]) == "nordlys.example"
    assert common_domain(["a@nordlys.example", "b@other.example"]) is None
    assert common_domain(["a@gmail.com", "b@gmail.com"]) is None
    assert common_domain(["nothing"]) is None
    assert common_domain([]) is None


def stood(action: Any, **named: Any) -> StandingDecision:
    facts = {"id": "x", "workspace": "acme", "decided_by": "mara", "decided_at": AT}
    keys = {"customer": None, "record": None, "other": None, "withdrawn": False}
    return StandingDecision.model_validate({**facts, "action": action, **keys, **named})


def test_a_decision_is_found_by_its_item_its_subject_or_its_customer() -> None:
    link = stood("link", subject="match:stripe/customer/cus_1", customer=cus(1), record=rec(900))
    no = [
        stood(
            "not_this",
            subject=f"pair:stripe/customer/cus_1|hubspot/company/{n}",
            customer=cus(1),
            record=rec(n),
        )
        for n in (1, 2)
    ]
    gone = stood("link", subject="match:stripe/customer/cus_2", customer=cus(2), withdrawn=True)
    every = [link, *no, gone]
    assert matching(every, link.subject) == [link]
    assert matching(every, short_id(f"acme/@/decision/{no[1].subject}")[:6]) == [no[1]]
    assert matching(every, item(1).id) == [link, *no]
    assert matching(every, "cus_1") == [link, *no]
    assert matching(every, "cus_2") == []
    kept = stood("keep_merged", subject="match:stripe/customer/cus_3", customer=cus(3))
    assert matching([kept], short_id(f"acme/ambiguous_match/{account_id(cus(3))}")[:6]) == [kept]
    two = stood("not_duplicate", subject="apart:x", record=rec(2), other=rec(1))
    key = f"acme/duplicate_records/{rec(1)}|{rec(2)}"
    assert matching([two], short_id(key)[:6]) == [two]
