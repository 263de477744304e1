"""Domains reduced, personal domains."""

import pytest
from plumbline_domain.identity.domain_classes import is_personal
from plumbline_domain.identity.hosts import email_host, registrable_domain, web_host


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
