"""Hosts of e-mail and web addresses, and the domain a registrant owns (identity.md 7)."""

import ipaddress
import re
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

import idna
from publicsuffixlist import PublicSuffixList

from plumbline_domain.identity.domain_lists import SECOND_LEVELS, SHARED_SUFFIXES

_PUBLIC_SUFFIXES: Final = PublicSuffixList(accept_unknown=True)
_SHARED_ENDINGS: Final = tuple(f".{suffix}" for suffix in sorted(SHARED_SUFFIXES))
_KNOWN_SUFFIXES: Final = PublicSuffixList(accept_unknown=False)
_PLAIN_HOST: Final = re.compile(r"^[a-zA-Z0-9.-]+$")
_LABEL: Final = re.compile(r"^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?$")


def email_host(email: str | None) -> str | None:
    """What follows the last @ of an address; None when there is no such thing."""
    local, at, host = (email or "").strip().rpartition("@")
    return host if local and at and host else None


def web_host(text: str) -> str:
    """The host of a domain or web address as people type it: without scheme, path, port."""
    stripped = text.strip()
    if _PLAIN_HOST.match(stripped):
        return stripped.lower()
    if "//" not in stripped:
        stripped = f"//{stripped}"
    try:
        host = urlsplit(stripped).hostname
    except ValueError:
        return ""
    return host or ""


@lru_cache(maxsize=65536)
def registrable_domain(host: str) -> str | None:
    """The domain a registrant owns: `mail.acme.co.uk` -> `acme.co.uk`, in ASCII lower case.

    The private section of the public suffix list counts, so `foo.github.io` stays whole. None for
    an IP address, a bare label, a public suffix itself, and anything that is no host name.
    """
    plain = host.strip().strip("[]").rstrip(".").lower()
    if not plain or _is_address(plain):
        return None
    ascii_host = _to_ascii(plain)
    if ascii_host is None:
        return None
    labels = ascii_host.split(".")
    if len(labels) < 2 or len(ascii_host) > 253:
        return None
    if not all(len(label) <= 63 and _LABEL.match(label) for label in labels):
        return None
    if ascii_host.endswith(_SHARED_ENDINGS):
        for suffix in (s for s in SHARED_SUFFIXES if ascii_host.endswith(f".{s}")):
            owner = ascii_host.removesuffix(f".{suffix}").rpartition(".")[2]
            return None if owner == "www" else f"{owner}.{suffix}"
    return _private(ascii_host, labels)


def _private(host: str, labels: list[str]) -> str | None:
    mistyped = len(labels) > 2 and labels[-2] in SECOND_LEVELS
    if mistyped and _KNOWN_SUFFIXES.publicsuffix(host) is None:
        return ".".join(labels[-3:])
    found: str | None = _PUBLIC_SUFFIXES.privatesuffix(host)
    return found


def _is_address(host: str) -> bool:
    if ":" not in host and not host[-1].isdigit():
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _to_ascii(host: str) -> str | None:
    if host.isascii():
        return host
    try:
        return idna.encode(host, uts46=True).decode("ascii").lower()
    except idna.IDNAError:
        return None
