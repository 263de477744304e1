"""Domains reduced, personal domains, keys of both sides, the match decision."""

import pytest
from plumbline_domain.identity.domain_classes import is_personal
from plumbline_domain.identity.exact import (
    MatchKey,
    customer_keys,
    decide_match,
    record_keys,
)
from plumbline_domain.identity.hosts import email_host, registrable_domain, web_host
from plumbline_schemas.billing import BillingCustomer
from plumbline_schemas.crm import CrmRecord
from plumbline_schemas.ids import ExternalKey

R1, R2 = (ExternalKey(f"acme/hubspot/company/{n}") for n in (1, 2))


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("acme.example", "acme.example"),
        ("mail.acme.example", "acme.example"),
        ("ACME.Example.", "acme.example"),
        ("a.b.acme.co.uk", "acme.co.uk"),
        ("foo.github.io", "foo.github.io"),
        ("shop.foo.myshopify.com", "foo.myshopify.com"),
        ("foo.wordpress.com", "foo.wordpress.com"),
        ("www.wordpress.com", None),
        ("bücher.example", "xn--bcher-kva.example"),
        ("co.uk", None),
        ("localhost", None),
        ("192.168.0.1", None),
        ("[::1]", None),
        ("", None),
        ("acme..example", None),
        ("-acme.example", None),
        ("a b.example", None),
        (f"{'a' * 64}.example", None),
    ],
)
def test_registrable_domain(host: str, domain: str | None) -> None:
    assert registrable_domain(host) == domain


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("https://www.acme.example/about?x=1", "www.acme.example"),
        ("acme.example:8080", "acme.example"),
        (" acme.example ", "acme.example"),
        ("http://[broken", ""),
    ],
)
def test_web_host(text: str, host: str) -> None:
    assert web_host(text) == host


def test_email_host() -> None:
    assert email_host("ann+billing@Acme.example") == "Acme.example"
    assert email_host('"a@b"@acme.example') == "acme.example"
    assert [email_host(text) for text in (None, "", "none", "@acme.example", "ann@")] == [None] * 5


@pytest.mark.parametrize(
    ("domain", "personal"),
    [
        ("gmail.com", True),
        ("hey.com", True),
        ("comcast.net", True),
        ("comcast.com", False),
        ("telstra.com", False),
        ("acme.example", False),
    ],
)
def test_personal(domain: str, personal: bool) -> None:
    assert is_personal(domain) is personal


def test_keys_of_both_sides_meet() -> None:
    customer = BillingCustomer(email="ann@mail.acme.example", crm_id=" 77 ")
    record = CrmRecord(
        domains=("https://www.acme.example", "acme.example", "linkedin.com/company/acme", ""),
        stripe_customer_ids=("cus_1",),
        merged_ids=("76",),
    )
    mine, its = customer_keys("cus_1", customer), record_keys("77", record)
    shared = {("domain", "acme.example"), ("crm_id", "77"), ("stripe_id", "cus_1")}
    assert mine & its == {MatchKey(kind, value) for kind, value in shared}  # type: ignore[arg-type]
    assert MatchKey("crm_id", "76") in its
    assert record_keys("77", None) == frozenset()


def decide(keys: set[MatchKey], found: dict[MatchKey, list[ExternalKey]], **policy: bool):
    settings = {"whole_book": True, "personal_domains": False, **policy}
    return decide_match(keys, found, **settings)


DOMAIN = MatchKey("domain", "acme.example")
GMAIL = MatchKey("personal_domain", "gmail.com")
CRM_ID = MatchKey("crm_id", "1")
STRIPE_ID = MatchKey("stripe_id", "cus_1")


def test_identifiers_come_before_domains() -> None:
    found = decide({DOMAIN, CRM_ID, STRIPE_ID}, {DOMAIN: [R2], CRM_ID: [R1], STRIPE_ID: [R2]})
    assert (found.record, found.method) == (R1, "crm_id")
    found = decide({DOMAIN, CRM_ID, STRIPE_ID}, {DOMAIN: [R1], STRIPE_ID: [R2]})
    assert (found.record, found.method) == (R2, "stripe_id")


def test_a_domain_needs_the_whole_book() -> None:
    assert decide({DOMAIN}, {DOMAIN: [R1]}, whole_book=False).record is None
    assert decide({STRIPE_ID}, {STRIPE_ID: [R1]}, whole_book=False).record == R1
    assert decide({DOMAIN}, {DOMAIN: [R1]}).method == "domain"


def test_several_records_are_ambiguous_and_link_nothing() -> None:
    found = decide({DOMAIN}, {DOMAIN: [R2, R1]})
    assert (found.record, found.candidates) == (None, (R1, R2))


def test_personal_domains_only_by_policy() -> None:
    assert decide({GMAIL}, {GMAIL: [R1]}).record is None
    assert decide({GMAIL}, {GMAIL: [R1]}, personal_domains=True).record == R1


def test_nothing_found() -> None:
    assert decide({DOMAIN, CRM_ID}, {}) == decide(set(), {})
