"""The decision by evidence: links, gates, hubs, conflicts, scores that reproduce, bad input."""

from dataclasses import replace

import idna
import pytest
from plumbline_domain.identity.decide import Decision, decide
from plumbline_domain.identity.explain import decision_text, explain
from plumbline_domain.identity.index import MemoryIndex, gather
from plumbline_domain.identity.names import read_name
from plumbline_domain.identity.profile import (
    Party,
    customer_profile,
    read_address,
    record_profile,
)
from plumbline_domain.identity.weights import probability, shipped

ACME = Party("1", name="Brantov Robotics GmbH", domains=("brantov.example",), country="DE")
OTHER = Party("2", name="Quilmark Foods", domains=("quilmark.example",))


def settle(
    customers: list[Party],
    records: list[Party],
    *,
    cannot: tuple[str, ...] = (),
    identifiers_only: bool = False,
    own: str = "",
) -> list[Decision]:
    """Decisions of all customers over all records."""
    overrides = {own: "own"} if own else {}
    index = MemoryIndex()
    index.put("record", [record_profile(party, overrides) for party in records])  # type: ignore[arg-type]
    profiles = [customer_profile(party, overrides) for party in customers]  # type: ignore[arg-type]
    index.put("customer", profiles)
    around = gather(index, profiles)
    return [
        decide(one, around, shipped(), cannot=cannot, identifiers_only=identifiers_only)
        for one in profiles
    ]


def customer(name: str | None, email: str, **more: object) -> Party:
    """A customer with one address."""
    return Party("cus_1", name=name, emails=(email,), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("record", "against"),
    [
        (Party("1", name="Brantov Robotics", domains=("brantov.example",), city="Jena"), True),
        (Party("1", name="Brantov Robotics", domains=("brantov.example",)), True),
        (Party("1", name="Brantov Robotics", domains=("brantov.example",), city="Kassel"), False),
        (Party("1", name="Brantov Robotics", domains=("brantov-kassel.example",)), False),
        (Party("1", name="Brantov Robotics"), False),
    ],
)
def test_a_namesake_that_puts_its_town_into_its_domain(record: Party, against: bool) -> None:
    """The plain domain was taken; a record of that town, or without a domain, may still be it."""
    address = "ann@brantovrobotics-kassel.example"
    [found] = settle([customer("Brantov Robotics", address, city="Kassel")], [record])
    codes = {piece.code for piece in found.candidates[0].evidence}
    assert ("label.town" in codes) is against
    if against:
        assert found.outcome == "none"


def test_a_web_address_as_a_name_is_the_name_of_whose_domain_it_is() -> None:
    owner = Party("1", name="Brantov Deutschland", domains=("brantov.example",), country="DE")
    namesake = Party("2", name="Brantov", domains=("brantov.test",), country="US")
    asked = customer("brantov.example", "ann@brantov.example", country="DE")
    [found] = settle([asked], [owner, namesake])
    assert (found.outcome, found.record_id) == ("auto", "1")
    [other] = settle([replace(asked, name="Brantov")], [owner, namesake])
    assert other.outcome == "review"


@pytest.mark.parametrize(
    ("name", "email"),
    [
        ("Brantov Robotics Ltd", "billing@brantov.example"),
        ("Runa Holm", "runa@mail.brantov.example"),
        (None, "ap@brantov.example"),
        ("Brantov Robotcis", "it@brantov.example"),
        ("n/a", "RUNA@Brantov.Example"),
    ],
)
def test_own_domain_links(name: str | None, email: str) -> None:
    [found] = settle([customer(name, email)], [ACME, OTHER])
    assert (found.outcome, found.record_id, found.method) == ("auto", "1", "evidence")


def test_name_alone_never_links() -> None:
    [found] = settle([customer("Brantov Robotics GmbH", "runa77@gmail.com")], [ACME, OTHER])
    assert found.outcome == "review"
    assert "nothing but the name speaks for it" in found.reasons


def test_name_of_one_domain_of_another_is_asked() -> None:
    [found] = settle([customer("Quilmark Foods", "ap@brantov.example")], [ACME, OTHER])
    assert found.outcome == "review"


def test_exact_contact_at_a_personal_mailbox_counts() -> None:
    record = Party("3", name="Ostfold Dental", emails=("ostfold.mail@gmail.com",))
    [found] = settle([customer("Ostfold Dental", "ostfoldmail+x@gmail.com")], [ACME, record])
    assert (found.outcome, found.record_id) == ("auto", "3")


def test_cannot_link_is_never_offered_again() -> None:
    [found] = settle([customer(None, "ap@brantov.example")], [ACME, OTHER], cannot=("1",))
    assert found.outcome == "none"
    assert "1" not in {candidate.record_id for candidate in found.candidates}


@pytest.mark.parametrize(
    ("more", "method"),
    [({"crm_id": "2"}, "crm_id"), ({"tax_ids": ("DE 136-695 976",)}, "tax_id")],
)
def test_identifiers_come_first_and_before_the_books_are_complete(
    more: dict[str, object], method: str
) -> None:
    record = Party("2", name="Quilmark Foods", tax_ids=("DE136695976",))
    asked = customer("Quilmark", "x@gmail.com", **more)
    [found] = settle([asked], [ACME, record], identifiers_only=True)
    assert (found.outcome, found.record_id, found.method) == ("auto", "2", method)


def test_customer_id_on_the_record_links() -> None:
    record = Party("5", name="Wexholm", stripe_ids=("cus_1",))
    [found] = settle([customer("nobody", "x@gmail.com")], [ACME, record])
    assert (found.record_id, found.method) == ("5", "stripe_id")


def test_nothing_by_evidence_before_the_books_are_complete() -> None:
    [found] = settle([customer(None, "ap@brantov.example")], [ACME], identifiers_only=True)
    assert found.outcome == "none"


def test_metadata_against_domain_and_name_is_asked() -> None:
    asked = customer("Brantov Robotics GmbH", "ap@brantov.example", crm_id="2")
    [found] = settle([asked], [ACME, OTHER])
    assert found.outcome == "review"


def test_merged_record_is_found_by_its_old_id() -> None:
    record = Party("9", name="Wexholm", merged_ids=("4",))
    [found] = settle([customer("x", "x@gmail.com", crm_id="4")], [record])
    assert found.record_id == "9"


@pytest.mark.parametrize("owned", [True, False])
def test_payer_for_others_links_only_itself(owned: bool) -> None:
    clients = ["Navbeck Bakery", "Orldale Roofing", "Pelfold Clinic", "Rudgard Design"]
    records = [Party(f"1{n}", name=client) for n, client in enumerate(clients)]
    if owned:
        records.append(Party("7", name="Zinrick Studio", domains=("zinrick.example",)))
    names = [*clients, "Ansel Tovholm", None]
    asked = [
        Party(f"cus_{n}", name=name, emails=(f"pay{n}@zinrick.example",))
        for n, name in enumerate(names)
    ]
    asked.append(Party("cus_own", name="Zinrick Studio", emails=("office@zinrick.example",)))
    *found, itself = settle(asked, records)
    assert {decision.outcome for decision in found} <= {"review", "none"}
    assert all(decision.portrait.hub for decision in found)
    assert (itself.outcome, itself.record_id) == (("auto", "7") if owned else ("none", None))


def test_duplicates_of_the_winner_are_no_rivals() -> None:
    twin = Party("8", name="BRANTOV ROBOTICS", domains=("brantov.example",))
    [found] = settle([customer("Brantov Robotics", "ap@brantov.example")], [ACME, twin])
    assert found.outcome == "auto"


def test_subsidiary_on_the_parents_domain_is_asked() -> None:
    parent = Party("20", name="Dorlund", domains=("dorlund.example",))
    child = Party("21", name="Dorlund UK Ltd", domains=("dorlunduk.example",), parent_id="20")
    [found] = settle([customer("Dorlund UK Ltd", "ap@dorlund.example")], [parent, child])
    assert found.outcome == "review"
    assert {candidate.record_id for candidate in found.candidates} == {"20", "21"}


def test_scores_reproduce_from_their_evidence() -> None:
    [found] = settle([customer("Brantov Robotics", "ap@brantov.example")], [ACME, OTHER])
    for candidate in found.candidates:
        total = shipped().bias + sum(piece.weight for piece in candidate.evidence)
        assert candidate.score == total
        assert candidate.probability == probability(total)


def test_explanation_reads_as_sentences() -> None:
    asked = customer("Brantov Robotics Ltd", "ap@brantov.example")
    [[head, line]] = explain([asked], [ACME], shipped())
    assert head == "cus_1: auto, record 1"
    assert "the e-mail domain brantov.example is the record's (+" in line
    assert "the name Brantov Robotics Ltd equals Brantov Robotics GmbH" in line


def test_every_code_has_a_sentence() -> None:
    from plumbline_domain.identity.candidate import Weighed
    from plumbline_domain.identity.explain import sentence

    for code in shipped().pieces:
        assert sentence(Weighed(code, "a", "b", 1)).endswith("(+0.0)")


JUNK = [
    "", " ", "test", "asdf", "n/a", "N/A", "-", ".", "none", "+49 30 1234567", "0151 / 555 777",
    "\x00\x07\x1b", "🙂🙂", "\u202e\u200f", "x", "aaaa",
]  # fmt: skip


@pytest.mark.parametrize("name", JUNK)
def test_junk_names_are_no_evidence(name: str) -> None:
    assert read_name(name).kind == "junk"
    record = Party("6", name=name, domains=("wexstad.example",))
    [found] = settle([customer(name, "ann@gmail.com")], [record])
    assert found.outcome == "none"


@pytest.mark.parametrize(
    "name",
    [
        "a" * 10_000, "שלום חברה בע״מ", "مجموعة Brantov الروبوتات", "🚀 Brantov 🚀",
        "株式会社ブラントフ", "Ⅷ Ltd", "GmbH", "Ltd Ltd Ltd", "& Co.", "(((", ")(", "c/o",
        "via via via", "И" * 5000,
        "Bran\x00tov\x1f Robotics",
    ],
)  # fmt: skip
def test_odd_names_neither_crash_nor_link(name: str) -> None:
    form = read_name(name)
    assert len(form.raw) <= 300
    [found] = settle([customer(name, "ann@gmail.com")], [ACME, OTHER])
    assert found.outcome != "auto"
    assert decision_text(found)


def test_control_characters_and_emoji_do_not_hide_a_name() -> None:
    assert read_name("Bran\x00tov\x1f 🚀 Robotics").core == ("bran", "tov", "robotics")
    assert read_name("Ｂｒａｎｔｏｖ Robotics, Inc.").squash == "brantovrobotics"  # noqa: RUF001


@pytest.mark.parametrize(
    "email",
    [
        "", "@", "ann", "ann@", "@brantov.example", "a@b@brantov.example", "ann@[127.0.0.1]",
        "ann@127.0.0.1", "ann@[::1]", "@".join(("ann", "co.uk")), "ann@com", "ann@localhost",
        "ann@xn--zz--.example", "ann@ bran tov.example", "ann@" + "a" * 70 + ".example",
        "ann@\u2024.example", "ann@xn--\u00e4.example",
    ],
)  # fmt: skip
def test_bad_addresses_are_no_evidence(email: str) -> None:
    assert read_address(email) is None
    [found] = settle([customer(None, email)], [ACME, OTHER])
    assert found.outcome == "none"


def test_international_domains_are_one() -> None:
    record = Party("6", name="Bücher Wex", domains=("https://www.bücher-wex.example/shop",))
    [found] = settle(
        [customer(None, f"ann@{idna.encode('bücher-wex.example').decode()}")], [record]
    )
    assert (found.outcome, found.record_id) == ("auto", "6")


def test_the_workspaces_own_domain_never_links() -> None:
    asked = customer("Brantov Robotics GmbH", "dev@brantov.example")
    [found] = settle([asked], [ACME], own="brantov.example")
    assert found.outcome != "auto"


@pytest.mark.parametrize("parents", [("1", "2"), ("2", "1"), ("1", "1")])
def test_parents_in_a_circle_do_not_matter(parents: tuple[str, str]) -> None:
    records = [
        Party("1", name="Kelnesse", domains=("kelnesse.example",), parent_id=parents[0]),
        Party(
            "2", name="Kelnesse Textiles", domains=("kelnessetex.example",), parent_id=parents[1]
        ),
    ]
    [found] = settle([customer("Kelnesse", "ap@kelnesse.example")], records)
    assert (found.outcome, found.record_id) == ("auto", "1")
    assert record_profile(records[0]).parent_id in (None, "2")


def test_order_of_arrival_changes_nothing() -> None:
    index, again = MemoryIndex(), MemoryIndex()
    records = [record_profile(party) for party in (ACME, OTHER)]
    asked = customer_profile(customer("Brantov", "ap@brantov.example"))
    index.put("record", records)
    again.put("record", [*reversed(records), *records])
    again.remove("record", ["unknown"])
    first, second = (decide(asked, gather(one, [asked]), shipped()) for one in (index, again))
    assert first == second


@pytest.mark.parametrize("name", ["Peluntov", "Wexstad Bakery", "Ilka"])
def test_another_name_on_an_owned_domain_is_never_linked(name: str) -> None:
    """The first client that an agency pays for: nobody else there tells yet that it is one."""
    agency = Party("7", name="Lomikamp Partners", domains=("lomikamp.example",), country="US")
    [found] = settle([customer(name, "clients@lomikamp.example")], [agency, OTHER])
    assert found.outcome != "auto"


def test_one_of_a_few_that_fit_alike_is_asked() -> None:
    """None is likely by itself; that one of them is right is."""
    records = [
        Party(str(n), name=f"Guerrant {trade}", domains=(f"guerrant{trade.lower()}.example",))
        for n, trade in enumerate(("Textiles", "Software", "Law"), start=1)
    ]
    [found] = settle([customer("Guerrant", "meyer56@gmail.com")], records)
    assert found.outcome == "review"
    assert {candidate.record_id for candidate in found.candidates} == {"1", "2", "3"}


@pytest.mark.parametrize(
    ("name", "record"),
    [
        ("Brantov S.A.", "Brantov"), ("Cardun K.K.", "Cardun Co., Ltd."),
        ("BrantovRobotsLLC", "Brantov Robots"), ("Robots Corp PKB", "PKB Robots Corp"),
        ("Brantov Corpooration", "Brantov Corporation"), ("Brantov N.V.", "Brantov B.V."),
        ("Quilmark Ltd (formerly Wexstad)", "Wexstad"), ("Wexstad", "Quilmark, dba Wexstad"),
    ],
)  # fmt: skip
def test_names_that_are_one(name: str, record: str) -> None:
    [found] = settle([customer(name, "ann7@gmail.com")], [Party("1", name=record)])
    assert found.candidates[0].record_id == "1"
    assert any(
        piece.code.startswith(("name.same", "name.reordered"))
        for piece in found.candidates[0].evidence
    )


@pytest.mark.parametrize(
    ("email", "outcome"),
    [
        ("brantovrobotics@gmail.com", "review"),
        ("brantovrobotics.office7@gmail.com", "review"),
        ("brantovrob19@gmail.com", "review"),
        ("ann.smith@gmail.com", "none"),
    ],
)
def test_a_firms_free_mailbox_is_asked_about_and_never_linked(email: str, outcome: str) -> None:
    [found] = settle([customer(None, email)], [ACME, OTHER])
    assert found.outcome == outcome


def test_a_contacts_private_mailbox_points_at_the_record() -> None:
    record = Party("8", name="Wexstad", emails=("runa.holmgard@wexstad.example",))
    [found] = settle([customer("Runa Holmgard", "rholm81@gmail.com")], [record, OTHER])
    assert found.candidates[0].record_id == "8"
    assert any(piece.code == "contact.full" for piece in found.candidates[0].evidence)
    assert found.outcome != "auto"
