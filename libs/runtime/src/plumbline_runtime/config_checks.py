"""Checks of single values of the deployment file; each raises ValueError in plain words."""

import ipaddress
from collections.abc import Mapping
from difflib import get_close_matches
from urllib.parse import urlsplit

from plumbline_schemas.fields import FIELDS
from plumbline_schemas.ids import NAME_PATTERN


def check_name(value: str) -> str:
    """Workspace ids and connection names are `[a-z0-9_-]+` (design 9)."""
    if not NAME_PATTERN.match(value):
        raise ValueError("expected only lower-case letters, digits, _ and -")
    return value


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
    """Our names must be known, vendor properties not empty and not used twice."""
    for kind, mapping in fields.items():
        used: dict[str, str] = {}
        for name, prop in mapping.items():
            where = f"fields.{kind}.{name}"
            if name not in FIELDS:
                raise ValueError(f"{where}: unknown field{_suggest(name)}")
            if not prop.strip():
                raise ValueError(f"{where}: found an empty text, expected a property's name")
            if prop in used:
                raise ValueError(
                    f"{where}: found {prop!r}, which fields.{kind}.{used[prop]} has too; "
                    f"expected a property of its own"
                )
            used[prop] = name


def _suggest(name: str) -> str:
    close = get_close_matches(name, FIELDS, n=1)
    hint = f", did you mean {close[0]}?" if close else ","
    return f"{hint} expected one of {', '.join(FIELDS)}"
