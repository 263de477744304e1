"""Keys: what both sides may hold. An equal key makes a candidate, never a link."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from hashlib import blake2b
from itertools import combinations
from struct import Struct
from typing import Final, Literal

from plumbline_domain.identity.mailboxes import bare_local, firm_locals, mailbox_names
from plumbline_domain.identity.names import NameForm
from plumbline_domain.identity.profile import Profile, label_of

KeyKind = Literal[
    "id", "stripe", "tax", "email", "domain", "squash", "word", "pair", "start", "end", "initials",
    "phone", "local", "person",
]  # fmt: skip
"""identity.md 7, Index. `squash` holds names and domain labels alike: `acme.de` finds `Acme AG`.
`start` and `end` are the first and last letters of a squash, so that one typing error leaves the
other half; `local` is a person's local part, which moves with the person to another mailbox;
`person` is the address of a contact, which only a customer that is a person asks for."""

FAN_OUT: Final = 40
"""A key on more records finds nothing by itself; its count still weighs (identity.md 7)."""

ALWAYS: Final[frozenset[KeyKind]] = frozenset({"id", "stripe", "tax", "email", "domain", "person"})

NOT_WAITED_ON: Final[frozenset[KeyKind]] = frozenset({"word", "initials"})
"""What a late record never finds a customer by: too many wait under one of these."""

KIND_VALUE: Final[Mapping[KeyKind, float]] = {
    "id": 50.0, "stripe": 50.0, "tax": 50.0, "email": 20.0, "domain": 15.0, "phone": 8.0,
    "squash": 8.0, "pair": 6.0, "local": 4.0, "word": 3.0, "start": 2.0, "end": 2.0,
    "initials": 1.0, "person": 20.0,
}  # fmt: skip
"""What a shared key of a kind says before anything is compared; it only ranks candidates."""

_EDGE: Final = 6
_SIGNED: Final = Struct(">q")


def _hashed(kind: KeyKind, value: str) -> int:
    said = f"{kind}:{value}".encode("utf-8", "surrogatepass")  # half a character is no error here
    number: int = _SIGNED.unpack(blake2b(said, digest_size=8).digest())[0]
    return number


_RARE: Final[frozenset[KeyKind]] = frozenset(
    {"id", "stripe", "email", "domain", "squash", "pair", "phone"}
)
"""Kinds of which a record has its own, so that remembering the hash is no use."""


@lru_cache(maxsize=65536)
def key_of(kind: KeyKind, value: str) -> int:
    """A signed 64-bit hash, the same on every machine and in every version of Python."""
    return _hashed(kind, value)


def record_keys(profile: Profile) -> dict[int, KeyKind]:
    """What a record is found by; ids of records merged into it still find it."""
    found: dict[int, KeyKind] = {
        _hashed("id", held): "id" for held in (profile.vendor_id, *profile.merged_ids)
    }
    if profile.individual:
        return found | _of_person(profile)
    for kind, value in _values(profile):
        found[(_hashed if kind in _RARE else key_of)(kind, value)] = kind
    for domain in profile.contact_domains:
        found[_hashed("domain", domain)] = "domain"
    return found


def customer_keys(profile: Profile) -> dict[int, KeyKind]:
    """What a customer looks for, and what a late record finds it by."""
    found: dict[int, KeyKind] = {key_of("stripe", profile.vendor_id): "stripe"}
    if profile.crm_id:
        found[key_of("id", profile.crm_id)] = "id"
    if profile.individual:
        found |= _of_person(profile)
    for kind, value in _values(profile):
        found[key_of(kind, value)] = kind
    for kind, value in _asked(profile):
        found.setdefault(key_of(kind, value), kind)
    return found


def _of_person(profile: Profile) -> dict[int, KeyKind]:
    """The mailbox, and of a contact the customers that stand on it."""
    found: dict[int, KeyKind] = {
        _hashed("person", one.whole): "person" for one in profile.addresses
    }
    return found | {_hashed("stripe", one): "stripe" for one in profile.stripe_ids}


def _asked(profile: Profile) -> Iterator[tuple[KeyKind, str]]:
    """What only a customer asks for: the mailbox names its person may have, its firm's mailbox."""
    if profile.person is not None:
        yield "squash", profile.person.squash
        calls = mailbox_names(profile.person.core)
        for value in (*calls.full, *calls.short):
            yield "local", value
    for address in profile.addresses:
        for local in firm_locals(address):
            yield "squash", local
            if len(local) >= _EDGE:
                yield "start", local[:_EDGE]


def _values(profile: Profile) -> Iterator[tuple[KeyKind, str]]:
    for stripe_id in profile.stripe_ids:
        yield "stripe", stripe_id
    for number in profile.tax_ids:
        yield "tax", number
    for domain in profile.domains:
        yield "domain", domain
    if profile.phone:
        yield "phone", profile.phone
    yield from _address_keys(profile)
    for form in profile.names:
        yield from _word_keys(form)
    yield from _squash_keys(profile)


def _address_keys(profile: Profile) -> Iterator[tuple[KeyKind, str]]:
    for address in profile.addresses:
        yield "email", address.whole
        if address.role:
            continue
        local = bare_local(address.local)
        if len(address.local) >= 5:
            yield "local", local
        if address.kind == "personal":
            yield "squash", local


def _squash_keys(profile: Profile) -> Iterator[tuple[KeyKind, str]]:
    squashes = dict.fromkeys(profile.labels)
    for form in profile.names:
        squashes[form.squash] = None
        squashes[form.whole] = None
    for squash in squashes:
        yield "squash", squash
    edged = [label_of(domain) for domain in profile.domains]
    edged += [form.squash for form in profile.names[:2]]
    for squash in dict.fromkeys(edged):
        if len(squash) >= _EDGE:
            yield "start", squash[:_EDGE]
            yield "end", squash[-_EDGE:]


def _word_keys(form: NameForm) -> Iterator[tuple[KeyKind, str]]:
    core = form.core[:6]
    for word in core:
        yield "word", word
    for pair in combinations(sorted(set(core[:4])), 2):
        yield "pair", " ".join(pair)
    if len(core) >= 2:
        yield "initials", initials(core)
    elif len(core[0]) <= 6:
        yield "initials", core[0]


def initials(core: tuple[str, ...]) -> str:
    """First letters of the words: `Pyung Hwa` is `ph`."""
    return "".join(word[0] for word in core)
