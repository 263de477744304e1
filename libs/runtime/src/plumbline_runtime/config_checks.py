"""Checks of single values of the deployment file; each raises ValueError in plain words."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Final
from urllib.parse import urlsplit

from plumbline_schemas.fields import FIELDS
from plumbline_schemas.ids import NAME_PATTERN
from pydantic_core import PydanticCustomError

CURRENCIES: Final = frozenset(
    """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BOV BRL BSD BTN BWP
    BYN BZD CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN
    ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK
    JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD
    MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP
    PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP
    SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV
    WST XAD XAF XAG XAU XBA XBB XBC XBD XCD XCG XDR XOF XPD XPF XPT XSU XTS XUA XXX YER ZAR
    ZMW ZWG
    """.lower().split()
)
"""Active alphabetic codes of ISO 4217 (list one, as of January 2026), in lower case."""

NOT_SUPPORTED: Final = "not_supported"
"""Type of the error for what the design names and this version doesn't do."""

_PROPERTY: Final = re.compile(r"[a-z][a-z0-9_]*")


def check_name(value: str) -> str:
    """Workspace ids and connection names are `[a-z0-9_-]+` (design 9)."""
    if not NAME_PATTERN.fullmatch(value):
        raise ValueError("expected only lower-case letters, digits, _ and -")
    return value


def check_currency(value: str) -> str:
    """An active ISO 4217 code in either case, kept in lower case as Stripe writes it."""
    if value.lower() not in CURRENCIES:
        raise ValueError("expected an ISO 4217 code such as EUR")
    return value.lower()


def check_portal_id(value: str) -> str:
    """HubSpot's account ids are digits; a text, since nobody calculates with them."""
    if not (value.isascii() and value.isdecimal()):
        raise ValueError('expected only digits, such as "1234567"')
    return value


def check_not_empty(value: str) -> str:
    """A text with something in it."""
    if not value.strip():
        raise ValueError("expected a text that is not empty")
    return value


def not_supported(found: str, expected: str) -> PydanticCustomError:
    """What to raise for a setting that may not be accepted silently, since nothing obeys it."""
    return PydanticCustomError(
        NOT_SUPPORTED,
        "found {found}, which is not supported in this version yet; expected {expected}",
        {"found": found, "expected": expected},
    )


def refuse(values: frozenset[str], *, expected: str) -> Callable[[object], object]:
    """A validator that refuses these values of a policy."""

    def check(value: object) -> object:
        if isinstance(value, str) and value in values:
            raise not_supported(repr(value), expected)
        return value

    return check


def split_listen(value: str) -> tuple[str, int]:
    """Take `host:port` apart; IPv6 hosts stand in brackets. Raises ValueError."""
    host, separator, port = value.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not separator or not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError("expected host:port, e.g. 127.0.0.1:8080")
    return host, int(port)


def check_listen(value: str) -> str:
    """`host:port`; port 0 means a free one."""
    split_listen(value)
    return value


def check_public_url(value: str) -> str:
    """An address without query, kept without its trailing slash."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("expected http(s)://host[:port][/path]")
    if parts.query or parts.fragment or parts.username:
        raise ValueError("expected an address without user, query and fragment")
    return value.rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only be this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_api_base(value: str, *, test_mode: bool) -> None:
    """https, or http to this machine or in test mode (design 12)."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"api_base: found {value!r}, expected https://host[:port][/path]")
    if parts.query or parts.fragment or parts.username or parts.password:
        raise ValueError("api_base: expected an address without user, query and fragment")
    if parts.scheme == "http" and not test_mode and not is_loopback(parts.hostname):
        raise ValueError(
            f'api_base: found {value!r}, expected https (http is for loopback or mode = "test")'
        )


def check_field_names(fields: Mapping[str, Mapping[str, str]]) -> None:
    """Our names must be known, vendor properties well-formed and not used twice in a kind."""
    for kind, mapping in fields.items():
        used: dict[str, str] = {}
        for name, prop in mapping.items():
            where = f"fields.{kind}.{name}"
            if name not in FIELDS:
                raise ValueError(f"{where}: unknown field{_suggest(name)}")
            if not prop.strip():
                raise ValueError(f"{where}: found an empty text, expected a property's name")
            if not _PROPERTY.fullmatch(prop):
                raise ValueError(
                    f"{where}: found {prop!r}, expected a property's internal name: a lower-case "
                    f"letter, then lower-case letters, digits and _"
                )
            if prop in used:
                raise ValueError(
                    f"{where}: found {prop!r}, which fields.{kind}.{used[prop]} has too; "
                    f"expected a property of its own"
                )
            used[prop] = name


def check_property(name: str) -> str:
    """A vendor property's internal name."""
    if not _PROPERTY.fullmatch(name):
        raise ValueError(
            "expected a property's internal name: a lower-case letter, then lower-case letters, "
            "digits and _"
        )
    return name


def _suggest(name: str) -> str:
    close = get_close_matches(name, FIELDS, n=1)
    hint = f", did you mean {close[0]}?" if close else ","
    return f"{hint} expected one of {', '.join(FIELDS)}"
