"""General words that say what a name is (data/words.toml); legal forms also from cleanco."""

import tomllib
from importlib.resources import files
from typing import Final

from cleanco.termdata import terms_by_country, terms_by_type

_TABLE: Final[dict[str, str]] = tomllib.loads(
    (files("plumbline_domain.identity") / "data" / "words.toml").read_text("utf-8")
)


def _words(section: str) -> frozenset[str]:
    return frozenset(_TABLE[section].split())


_ORDINARY: Final = _words("ordinary")
"""Legal forms that are also words or initials; kept in names, where they tell companies apart."""


def _forms() -> frozenset[str]:
    listed = [term for terms in terms_by_type.values() for term in terms]
    listed += [term for terms in terms_by_country.values() for term in terms]
    plain = {"".join(c if c.isalnum() else " " for c in term.replace(".", "")) for term in listed}
    plain = {" ".join(term.split()).lower() for term in plain if term.isascii()}
    found = {term for term in plain if len(term) > 1 and term not in _ORDINARY}
    return frozenset(found | {term.strip() for term in _TABLE["forms"].split(",")})


LEGAL_FORMS: Final = _forms()
"""Legal forms as folded words; `words` has already closed up `S.p.A.`."""

LONGEST_FORM: Final = max(form.count(" ") + 1 for form in LEGAL_FORMS)

INNER_FORMS: Final = _words("inner")
"""Legal forms that are nothing else, wherever in a name they stand (`Acme GmbH Berlin`)."""

FORM_GROUPS: Final = {
    word: group
    for group, listed in {
        "limited": "ltd limited pty pte pvt coltd co company llc gmbh bv srl sarl sl kft sro ug",
        "corporation": "inc incorporated corp corporation plc ag nv spa sa ab asa as oyj kk jsc",
        "partnership": "kg llp lp gmbhcokg vof snc ohg gbr",
    }.items()
    for word in listed.split()
}

WIDE_WORDS: Final = _words("wide")
"""Words that a company's own staff add or leave out."""

PLACES: Final = _words("places")
"""Countries and regions: `Leoni UK` is no spelling of `Leoni`, it may be its subsidiary."""

STOP_WORDS: Final = _words("stop")
"""Words that tell nothing apart; not part of a name's core unless nothing else is there."""

JUNK_NAMES: Final = _words("junk")
"""A name that is nothing but these tells nothing; neither does one of a single letter."""

COMPANY_WORDS: Final = _words("company")
"""Trades and kinds of organisation: a name with one of them is no person's."""

HUB_WORDS: Final = _words("hub")
"""Trades that pay for others: their domain speaks less for a customer with another name."""

ROLES: Final = _words("roles")
"""Local parts that name a function, not a person."""

MAILBOX_ENDINGS: Final = ROLES | _words("mailbox")
"""What stands behind a firm's name in the local part of a free mailbox: `acme.office7`."""

GIVEN_NAMES: Final = _words("given")
"""Common given names; no name is matched by standing here."""
