"""Local parts of addresses: what a person's or a firm's mailbox is called."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from plumbline_domain.identity.piece import Piece
from plumbline_domain.identity.profile import Address, Profile
from plumbline_domain.identity.word_lists import MAILBOX_ENDINGS

_SEPARATORS: Final = re.compile(r"[._\-0-9]+")


_LONG_ENDINGS: Final = tuple(sorted(end for end in MAILBOX_ENDINGS if len(end) > 3))
"""Endings that are told without a separator, where the provider drops dots (Gmail)."""


class MailboxNames(NamedTuple):
    """What companies call the mailbox of a person, from telling to vague."""

    full: tuple[str, ...]
    short: tuple[str, ...]
    first: tuple[str, ...]


NO_NAMES: Final = MailboxNames((), (), ())


def mailbox_names(who: Sequence[str]) -> MailboxNames:
    """Names of the mailbox of a person of these words: `denisele`, `dle`, `denise`."""
    if len(who) < 2:
        return NO_NAMES
    first, last = who[0], who[-1]
    short = (f"{first[0]}{last}", f"{first}{last[0]}", last)
    return MailboxNames((f"{first}{last}", f"{last}{first}"), short, (first,))


def firm_locals(address: Address) -> tuple[str, ...]:
    """Local parts of a personal mailbox that may be a firm's name, closed up.

    `acmeplumbing.office7@gmail.com` is `acmeplumbing`: a function behind the name is left out.
    """
    if address.kind != "personal" or address.role:
        return ()
    whole = bare_local(address.local)
    parts = [part for part in _SEPARATORS.split(address.local) if part]
    if len(parts) > 1 and parts[-1] in MAILBOX_ENDINGS:
        return ("".join(parts[:-1]), whole)
    ending = next((e for e in _LONG_ENDINGS if whole.endswith(e) and len(whole) >= len(e) + 6), "")
    return (whole.removesuffix(ending), whole) if ending else (whole,)


@lru_cache(maxsize=65536)
def bare_local(local: str) -> str:
    """A local part without separators and trailing digits: `denise.lee76` is `deniselee`."""
    closed = local.replace(".", "").replace("_", "").replace("-", "")
    return closed.rstrip("0123456789") or closed


def firm_mailbox(customer: Profile, record: Profile) -> Piece | None:
    """The customer's mailbox at a provider is called like the record."""
    called = {form.squash: form.raw for form in record.names}
    called |= {form.whole: form.raw for form in record.names}
    called |= {label: label for label in record.labels[:1]}
    found: Piece | None = None
    for address in customer.addresses:
        for local in firm_locals(address):
            if len(local) >= 4 and local in called:
                return Piece("local.equal", address.whole, called[local])
            for squash, raw in called.items():
                if len(local) >= 10 and squash.startswith(local):
                    found = found or Piece("local.start", address.whole, raw)
                elif len(squash) >= 6 and squash[:12] in local:
                    found = found or Piece("local.name", address.whole, raw)
    return found


def known_person(customer: Profile, record: Profile) -> Piece | None:
    """A contact of the record elsewhere bears the person's name, in full or shortened."""
    who = [customer.person.core] if customer.person is not None else []
    bare = set()
    for address in customer.addresses:
        if not address.role:
            bare.add(bare_local(address.local))
            who.append(_parts(address.local))
    ours = [mailbox_names(words) for words in who]
    domains = {address.domain for address in customer.addresses}
    best: Piece | None = None
    for address in record.addresses:
        if address.role or address.domain in domains:
            continue
        level = _alike_contact(bare, ours, address.local)
        if level and (best is None or _CONTACTS.index(level) < _CONTACTS.index(best.code)):
            best = Piece(level, bare_local(address.local), address.whole)
    return best


_CONTACTS: Final = ("contact.full", "contact.short", "contact.first")


def _alike_contact(bare: set[str], ours: list[MailboxNames], local: str) -> str:
    theirs, named = bare_local(local), mailbox_names(_parts(local))
    if any(theirs in names.full for names in ours) or not bare.isdisjoint(named.full):
        return "contact.full"
    if any(theirs in names.first for names in ours):
        return "contact.first"
    if any(theirs in names.short for names in ours) or not bare.isdisjoint(named.short):
        return "contact.short"
    if theirs in bare and len(local) >= 5:
        return "contact.short"
    return ""


def _parts(local: str) -> tuple[str, ...]:
    """`denise.le76` is a first and a last name, when two parts of two letters or more are there."""
    parts = tuple(filter(None, _SEPARATORS.split(local)))
    return parts if len(parts) == 2 and min(map(len, parts)) >= 2 else ()
