"""Invented companies and persons for `identity_worlds`; or real companies from a file by path."""

import csv
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from plumbline_domain.identity.word_lists import GIVEN_NAMES


def listed(text: str) -> tuple[str, ...]:
    """The words of a text."""
    return tuple(text.split())


ROOTS: Final = listed(
    "aster belv carn dros elm fjor garn hest ivor jask kvel lanth mord nemb oster pravd quell "
    "rosk stav thorn umbr vest wolm xant yld zeph alk brev cint dvor esk flam grot hulm"
)
SUFFIXES: Final = listed("ora ia ex um on is ano ela ost ary ik ent us ova ing ander etti off")
ADJECTIVES: Final = listed(
    "Amber Quiet Northern Swift Copper Hidden Royal Young Old Silver Crimson Distant Gentle Honest"
)
NOUNS: Final = listed(
    "Harbour Falcon Meadow Lantern Compass Orchard Pebble Kettle Beacon Cedar Otter Anvil Sparrow"
)
TRADES: Final = listed(
    "Foods Freight Robotics Dental Optics Catering Furniture Textiles Insurance Pharma Energy "
    "Travel Games Chemicals Tools Security Interiors Cycles Brewing Analytics"
)
LASTS: Final = listed(
    "Brandt Okafor Lindqvist Moreau Castellano Novotny Haraldsen Petrescu Whitcombe Achterberg "
    "Yamane Kowalczyk Fitzroy Delacroix Sandoval Ivanov Eriksen Tanaka Ruggeri Vandenberg"
)
FIRSTS: Final = listed(
    "Marta Jonas Elif Pieter Ingrid Tomasz Chiara Lukas Noor Sofia Henrik Amelie Rafael Greta "
    "David Sarah Michael Anna Thomas Laura"
)
GIVEN: Final = tuple(sorted(name for name in GIVEN_NAMES if len(name) > 2))
FAMILIES: Final = (*listed("son sen berg mann ova ini ez ard escu idis oglu wala man er"), "")
SCRIPTS: Final = (
    ("Северный Ветер", "severnyveter", "RU"), ("Ελληνικά Νησιά", "ellinikanisia", "GR"),
    ("青空商事", "aozora-shoji", "JP"), ("Žluťoučký Kůň", "zlutouckykun", "CZ"),
    ("שמש צפון", "shemeshtzafon", "IL"), ("Zażółć Gęślą", "zazolcgesla", "PL"),
)  # fmt: skip
PLACES: Final = {
    "DE": ("GmbH AG KG UG", "Jena Ulm Kassel Halle", "de"),
    "GB": ("Ltd Limited PLC LLP", "Leeds Hull Derby York", "co.uk"),
    "US": ("Inc. LLC Corp. Co.", "Tulsa Reno Boise Omaha", "com"),
    "FR": ("SARL SAS S.A.", "Nantes Metz Dijon Brest", "fr"),
    "NL": ("B.V. N.V.", "Breda Zwolle Arnhem", "nl"),
    "IT": ("S.p.A. S.r.l.", "Parma Lecce Udine", "it"),
    "SE": ("AB", "Umea Kalmar Boras", "se"),
    "AU": ("Pty.Ltd", "Cairns Perth Hobart", "com.au"),
}
FREE: Final = listed("gmail.com outlook.com yahoo.com icloud.com gmx.de orange.fr libero.it")


@dataclass
class Company:
    """A company as the world knows it."""

    name: str
    domain: str
    country: str
    city: str
    aliases: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    """Further domains of its own."""
    contacts: list[str] = field(default_factory=list)
    people: list[tuple[str, str]] = field(default_factory=list)
    """First and last names of the contacts."""
    record_ids: list[str] = field(default_factory=list)
    parent: "Company | None" = None
    phone: str = ""


def closed(name: str) -> str:
    """The ASCII letters and digits of a name, as a domain's label."""
    return "".join(c for c in name.lower() if c.isascii() and c.isalnum())


def person(rng: random.Random) -> tuple[str, str]:
    """First and last name."""
    first = rng.choice(FIRSTS) if rng.random() < 0.3 else rng.choice(GIVEN).capitalize()
    luck = rng.random()
    if luck < 0.3:
        return first, rng.choice(LASTS) + rng.choice(("", "", "", "son", "ski"))
    made = rng.choice(ROOTS) + rng.choice(("", rng.choice(SUFFIXES))) + rng.choice(FAMILIES)
    return first, made.capitalize()


def mailbox(rng: random.Random, who: tuple[str, str]) -> str:
    """A local part as companies give them out."""
    first, last = (part.lower() for part in who)
    return rng.choice((f"{first}.{last}", f"{first[0]}{last}", first, last, f"{first}_{last}"))


def root(rng: random.Random) -> str:
    """An invented word."""
    return (rng.choice(ROOTS) + rng.choice(SUFFIXES)).capitalize()


def bare_name(rng: random.Random) -> str:
    """A company's name without legal form."""
    letters = "".join(rng.choices("ABCDEFGHKLMNPRSTVZ", k=3))
    shapes = (
        (30, f"{root(rng)} {rng.choice(TRADES)}"),
        (15, root(rng) + rng.choice(ROOTS)),
        (15, f"{rng.choice(ADJECTIVES)} {rng.choice(NOUNS)} {rng.choice(TRADES)}"),
        (15, f"{rng.choice(LASTS)} & {rng.choice(LASTS)} {rng.choice(TRADES)}"),
        (10, f"{rng.choice(LASTS)} {rng.choice(TRADES)}"),
        (7, f"{letters} {rng.choice(TRADES)}"),
        (8, f"{rng.choice(ADJECTIVES)} {rng.choice(NOUNS)}"),
    )
    return rng.choices([text for _, text in shapes], [weight for weight, _ in shapes])[0]


def invented(rng: random.Random, taken: set[str], *, name: str = "") -> Company:
    """A company that is not there yet; `name` makes it a namesake."""
    while True:
        country = rng.choice(tuple(PLACES))
        forms, towns, ending = PLACES[country]
        bare = name or bare_name(rng)
        label = closed(bare)
        if not name and rng.random() < 0.02:
            bare, label, country = rng.choice(SCRIPTS)
        style = rng.random()
        if style < 0.12:
            heads = "".join(word[0] for word in bare.lower().split())
            label = closed(heads) + rng.choice(ROOTS)
        elif style < 0.22:
            label = closed(bare.split()[0]) or label
        domain = f"{label}.{rng.choice((ending, ending, 'com', 'io', 'eu'))}"
        if len(label) > 2 and domain not in taken:
            break
    taken.add(domain)
    form = f" {rng.choice(forms.split())}" if rng.random() < 0.7 else ""
    return Company(f"{bare}{form}", domain, country, rng.choice(towns.split()))


def listed_companies(path: Path) -> list[Company]:
    """Companies of a CSV file: name, domain, aliases, extra_domains, country, city."""
    with path.open(encoding="utf-8", newline="") as lines:
        return [
            Company(
                row["name"], row["domain"], row["country"], row["city"],
                tuple(filter(None, row["aliases"].split("|"))),
                tuple(filter(None, row["extra_domains"].split("|"))),
            )
            for row in csv.DictReader(lines)
        ]  # fmt: skip
