"""What no one should type, on either side: no crash, no link on junk."""

import pytest
from plumbline_domain.identity.decide import Decision, decide
from plumbline_domain.identity.index import MemoryIndex, gather
from plumbline_domain.identity.names import read_name
from plumbline_domain.identity.profile import Party, customer_profile, record_profile
from plumbline_domain.identity.weights import shipped

BAD_DOMAINS = [
    "", "co.uk", "https://co.uk/x", "com", "127.0.0.1", "http://[::1]/", "[2001:db8::1]",
    "localhost", "xn--zz--.example", "xn--\u00e4.example", "a..example", "-", "http://[broken",
    "https://linkedin.com/company/brantov", "\x00", "\u2024", "a" * 10_000, "\ud800.example",
]  # fmt: skip

BAD_ADDRESSES = [
    "no-at-sign", "two@@brantov.example", "a@b@brantov.example", "@", "ann@", "@brantov.example",
    "ann@127.0.0.1", "ann@[::1]", "ann@" + "co.uk", "ann@xn--\u00e4.example",
    "a" * 10_000 + "@brantov.example", "ann@\ud800.example", "\x00@\x00", "\u202e@\u202e",
]  # fmt: skip

JUNK_NAMES = [
    "test", "Test", "TEST 123", "asdf", "n/a", "N.A.", "none", "unknown", "-", "???", "0",
    "+49 30 1234567", "(030) 123 45 67", "00 1 415 555 2671", "🙂", "\u202e", "\x1b\x1b", "xxx",
    "ann@quilmark.example", "<ann@quilmark.example>", "GmbH", "株式会社", "Kunde", "Prueba S.L.",
]  # fmt: skip

ODD_NAMES = [
    "B" * 10_000, "שלום תעשיות", "شركة الرمال", "مجموعة Brantov", "Брантов Robotics",
    "🚀" * 5_000, "Bran\u0000tov", "\u200bBrantov\u200b", "e\u0301" * 400, "\ud800",
]  # fmt: skip

ACME = Party("1", name="Brantov Robotics GmbH", domains=("brantov.example",), country="DE")


def settle(customers: list[Party], records: list[Party]) -> list[Decision]:
    """Decisions of all customers over all records."""
    index = MemoryIndex()
    index.put("record", map(record_profile, records))
    profiles = [customer_profile(party) for party in customers]
    index.put("customer", profiles)
    around = gather(index, profiles)
    return [decide(one, around, shipped()) for one in profiles]


@pytest.mark.parametrize("domain", BAD_DOMAINS)
def test_a_bad_domain_on_a_record_finds_nobody(domain: str) -> None:
    record = Party("9", name="Quilmark", domains=(domain,), emails=(f"ann@{domain}",))
    assert record_profile(record).domains == ()
    asked = Party("cus_1", name="Wexstad", emails=(f"bob@{domain}",))
    [found] = settle([asked], [record, ACME])
    assert found.outcome == "none"


@pytest.mark.parametrize("address", BAD_ADDRESSES)
def test_bad_addresses_on_both_sides_are_no_evidence(address: str) -> None:
    record = Party("9", name="Quilmark", emails=(address, address))
    assert record_profile(record).addresses == ()
    [found] = settle([Party("cus_1", emails=(address,))], [record, ACME])
    assert (found.outcome, found.candidates) == ("none", ())


@pytest.mark.parametrize("name", JUNK_NAMES)
def test_junk_on_both_sides_links_nobody(name: str) -> None:
    assert read_name(name).kind == "junk"
    record = Party("9", name=name, country="DE", city="Jena")
    asked = Party("cus_1", name=name, company=name, country="DE", city="Jena")
    [found] = settle([asked], [record, ACME])
    assert found.outcome == "none"


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_on_both_sides_never_link_by_name_alone(name: str) -> None:
    asked = Party("cus_1", name=name, company=name, emails=("ann@gmail.com",))
    [found] = settle([asked], [Party("9", name=name, aliases=(name,)), ACME])
    assert found.outcome != "auto"


@pytest.mark.parametrize("phone", ["", "0", "000000000", "call me", "+" * 50, "9" * 10_000, "🙂"])
def test_bad_telephone_numbers_are_no_evidence(phone: str) -> None:
    record = Party("9", name="Quilmark", phone=phone)
    assert record_profile(record).phone is None
    [found] = settle([Party("cus_1", phone=phone)], [record])
    assert found.outcome == "none"


@pytest.mark.parametrize("number", ["", "n/a", "DE000000000", "0", "x" * 10_000, "\x00"])
def test_bad_tax_ids_are_no_identifiers(number: str) -> None:
    record = Party("9", name="Quilmark", tax_ids=(number,))
    [found] = settle([Party("cus_1", name="Wexstad", tax_ids=(number,))], [record])
    assert found.outcome == "none"


@pytest.mark.parametrize("half", ["\ud800", "x\udfff"])
def test_half_a_character_in_an_id_is_an_id_like_any_other(half: str) -> None:
    records = [Party("9", stripe_ids=(half,), merged_ids=(half,), tax_ids=(half * 9,)), ACME]
    [found] = settle([Party(f"cus_{half}", crm_id=half, tax_ids=(half * 9,))], records)
    assert (found.outcome, found.record_id) == ("auto", "9")


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("Ann Lee <ann@brantov.example>", "Ann Lee"),
        ("Brantov (ann@brantov.example)", "Brantov"),
        ("ann@brantov.example, Brantov Robotics", "Brantov Robotics"),
        ("Brantov @ Jena", "Brantov @ Jena"),
        ("Home@Work", "Home@Work"),
    ],
)
def test_an_address_is_no_part_of_a_name(name: str, read: str) -> None:
    assert read_name(name).raw == read


@pytest.mark.parametrize("name", ["ann@brantov.example", "Ann Lee <ann@brantov.example>"])
def test_an_address_typed_as_a_name_stands_for_the_one_that_is_lacking(name: str) -> None:
    [found] = settle([Party("cus_1", name=name)], [ACME])
    assert (found.outcome, found.record_id) == ("auto", "1")
    [other] = settle([Party("cus_1", name=name, emails=("ann@wexstad.example",))], [ACME])
    assert other.outcome == "none"


def test_a_circle_of_three_parents_and_a_parent_that_is_not_there() -> None:
    ring = {"1": "2", "2": "3", "3": "1", "4": "4", "5": "gone"}
    records = [
        Party(i, name=f"Kelnesse{i * 3}", domains=(f"kelnesse{i}.example",), parent_id=parent)
        for i, parent in ring.items()
    ]
    asked = [Party(f"cus_{i}", emails=(f"ap@kelnesse{i}.example",)) for i in ring]
    found = settle(asked, records)
    assert [(one.outcome, one.record_id) for one in found] == [("auto", i) for i in ring]
    assert record_profile(records[3]).parent_id is None
