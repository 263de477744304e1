"""Two that may be one, as a person is asked about them."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from plumbline_schemas.attention import AttentionKind
from plumbline_schemas.attention_details import DuplicateDetails, Evidence
from plumbline_schemas.ids import ExternalKey

from plumbline_domain.identity.duplicates import Duplicate, duplicate_sentence
from plumbline_domain.identity.index import Side
from plumbline_domain.identity.profile import Profile

DUPLICATE_KIND: Final[Mapping[Side, AttentionKind]] = {
    "record": "duplicate_records",
    "customer": "duplicate_customers",
}


class DuplicateItem(NamedTuple):
    """An item of attention about a pair."""

    subject: str
    summary: str
    details: DuplicateDetails


def called(profile: Profile) -> str | None:
    """What a party calls itself."""
    form = next(iter(profile.names), profile.person)
    return form.raw if form is not None else None


def duplicate_evidence(one: Duplicate) -> tuple[Evidence, ...]:
    """All that was seen, the strongest first."""
    ranked = sorted(one.evidence, key=lambda piece: (-abs(piece.weight), piece.code))
    return tuple(
        Evidence(code=piece.code, sentence=duplicate_sentence(piece), weight=piece.weight / 1000)
        for piece in ranked
    )


def duplicate_subject(keys: tuple[ExternalKey, ExternalKey]) -> str:
    """What the item is about: one item a pair, whichever is named first."""
    return "|".join(sorted(keys))


def duplicate_summary(
    side: Side, keys: tuple[ExternalKey, ExternalKey], names: tuple[str | None, str | None]
) -> str:
    """The item in a sentence."""
    what = "Two CRM records" if side == "record" else "Two billing customers"
    first, second = (name or key.rpartition("/")[2] for name, key in zip(names, keys, strict=True))
    return f"{what} may be one: {first} and {second}"


def duplicate_item(
    workspace: str, side: Side, one: Duplicate, profiles: Mapping[str, Profile]
) -> DuplicateItem:
    """The item of a pair; profiles are called by the workspace's local ids."""
    keys = (ExternalKey(f"{workspace}/{one.one}"), ExternalKey(f"{workspace}/{one.other}"))
    names = (called(profiles[one.one]), called(profiles[one.other]))
    domains = profiles[one.one].domains
    details = DuplicateDetails(
        keys=keys,
        names=names,
        group=domains[0] if domains else None,
        probability=one.probability,
        evidence=duplicate_evidence(one),
    )
    return DuplicateItem(duplicate_subject(keys), duplicate_summary(side, keys, names), details)
