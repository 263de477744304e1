"""Domains the public lists get wrong or leave out (data/domains.toml, with sources)."""

import tomllib
from importlib.resources import files
from typing import Final

_TABLE: Final[dict[str, str]] = tomllib.loads(
    (files("plumbline_domain.identity") / "data" / "domains.toml").read_text("utf-8")
)


def _domains(section: str) -> frozenset[str]:
    return frozenset(_TABLE[section].split())


PERSONAL_ADDED: Final = _domains("personal_added")
"""Mailboxes anyone can have: of persons, of internet providers, and relays that hide them."""

PERSONAL_REMOVED: Final = _domains("personal_removed")
"""Companies whose own staff mails from there; their subscribers mostly mail from elsewhere."""

SHARED_SUFFIXES: Final = _domains("shared_suffixes")
"""Hosts whose customers live on subdomains, beyond the public suffix list's private section."""

SECOND_LEVELS: Final = _domains("second_levels")
"""Labels that registries put before a country's: `acme.co.ukm` is acme's, mistyped."""

NOT_DOMAINS: Final = _domains("not_domains")
"""Social and link-tree pages say where a company can be read about, not who it is."""

RELAYS: Final = _domains("relays")
"""Addresses there stand for others."""
