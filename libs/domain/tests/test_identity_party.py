"""What a party is and where: countries as typed, people and companies, contacts."""

import pytest
from plumbline_domain.identity.countries import country_code
from plumbline_domain.identity.decide import decide
from plumbline_domain.identity.duplicates import duplicates, shipped_pairs
from plumbline_domain.identity.index import MemoryIndex, gather
from plumbline_domain.identity.party_type import CustomerType, customer_type
from plumbline_domain.identity.profile import (
    Party,
    contact_profile,
    customer_profile,
    record_profile,
)
from plumbline_domain.identity.weights import shipped


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("DE", "DE"), ("de", "DE"), ("UK", "GB"), ("Germany", "DE"), ("Österreich", "AT"),
        ("U.S.A.", "US"), ("The Netherlands", "NL"), ("Atlantis", ""), ("", ""), (None, ""),
        ("D1", ""), ("\u202eDE", "DE"),
    ],
)  # fmt: skip
def test_a_country_is_a_code_or_a_name(text: str | None, code: str) -> None:
    assert country_code(text) == code


@pytest.mark.parametrize(
    ("name", "email", "tax", "told", "expected"),
    [
        ("Brantov GmbH", "x@gmail.com", None, None, "company"),
        (None, "x@brantov.example", None, None, "company"),
        ("Runa Holm", "x@gmail.com", "DE136695976", None, "company"),
        ("Runa Holm", "runa@gmail.com", None, None, "individual"),
        ("Runa Holm", None, None, None, "individual"),
        ("Runa Holm", "runa@gmail.com", None, "company", "company"),
        ("Brantov GmbH", "x@brantov.example", None, "individual", "individual"),
        (None, "x@gmail.com", None, None, None),
        ("n/a", None, None, None, None),
    ],
)
def test_a_customer_is_a_company_a_person_or_neither(
    name: str | None,
    email: str | None,
    tax: str | None,
    told: CustomerType | None,
    expected: CustomerType | None,
) -> None:
    emails = (email,) if email else ()
    party = Party("cus_1", name=name, emails=emails, tax_ids=(tax,) if tax else ())
    assert customer_type(customer_profile(party), told) == expected


def test_contacts_are_found_by_people_alone_and_are_no_duplicates() -> None:
    index = MemoryIndex()
    mail = ("runa.holm@gmail.com",)
    contacts = [contact_profile(Party(f"crm/contact/{n}", emails=mail)) for n in (1, 2)]
    index.put("record", [contacts[0], record_profile(Party("crm/company/1", name="Runa Holm"))])
    person = customer_profile(Party("cus_1", name="Runa Holm", emails=mail, individual=True))
    company = customer_profile(Party("cus_2", name="Runa Holm", emails=mail))
    told = {one.id: decide(one, gather(index, [one]), shipped()) for one in (person, company)}
    assert (told["cus_1"].record_id, told["cus_1"].method) == ("crm/contact/1", "email")
    assert told["cus_2"].record_id is None
    assert all("contact" not in c.record_id for c in told["cus_2"].candidates)
    before = decide(person, gather(index, [person]), shipped(), identifiers_only=True)
    assert before.outcome == "none"
    assert duplicates("record", contacts, shipped_pairs()) == []
