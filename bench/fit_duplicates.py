"""`python bench/fit_duplicates.py --book DIR [--out FILE]`: weights that find who is there twice.

Labels come from the books' truth: two of one entity are one, two of different entities are not,
and of others nothing is known. Prints what the fitted table finds in each half of the book's
entities with the weights of the other half; `--out` writes the table of all of them.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

if __name__ == "__main__":  # the folder holds modules that other packages' names would find first
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from plumbline_domain.identity.duplicates import (
    Crowds,
    DuplicateWeights,
    PairWeights,
    crowds,
    pair_pieces,
    pairs,
    weigh,
)
from plumbline_domain.identity.index import Side
from plumbline_domain.identity.profile import Profile, customer_profile, record_profile

from bench.identity_book import read_book, rows
from bench.identity_fitting import Pair, fit, table

SIDES: tuple[Side, ...] = ("record", "customer")
ASK_AT: Mapping[Side, float] = {"record": 0.5, "customer": 0.8}
"""Several customers of one company are common and right: only the likely ones are asked about."""

UNSEEN = {
    "tax.same": 6000, "tax.other": -3000, "stripe.same": 5000, "crm.same": 5000,
    "email.company": 3500, "email.personal": 3000, "email.role": 2500,
}  # fmt: skip
"""What no labelled book shows: identifiers, which hardly err, and addresses that two records have.
The values are set by hand."""

Labelled = tuple[Profile, Profile, bool, str]


def entities(folder: Path, side: Side) -> dict[str, str]:
    """Whose each id is, as far as the truth tells."""
    found: dict[str, str] = {}
    for row in rows(folder / "truth.csv"):
        ids = (
            row["crm_ids"].replace("|", ";").split(";") if side == "record" else [row["stripe_id"]]
        )
        found.update(dict.fromkeys(filter(None, ids), row["entity_id"]))
    return found


def labelled(folder: Path, side: Side) -> tuple[list[Labelled], Crowds]:
    """Candidate pairs of a book with what the truth says of them, and their surroundings."""
    book = read_book(folder)
    parties = book.records if side == "record" else book.customers
    profile = record_profile if side == "record" else customer_profile
    held = {party.id: profile(party) for party in parties}
    around = crowds(side, held.values())
    whose = entities(folder, side)
    return [
        (held[a], held[b], whose[a] == whose[b], whose[a])
        for a, b in pairs(around)
        if a in whose and b in whose
    ], around


def fitted(side: Side, known: Iterable[tuple[Labelled, Crowds]]) -> PairWeights:
    """The table of these pairs."""
    seen = [
        [Pair(tuple(code for code, _, _ in pair_pieces(a, b, around)), right)]
        for (a, b, right, _), around in known
    ]
    bias, pieces = table(*fit(seen))
    return PairWeights(bias=bias, pieces=UNSEEN | pieces, ask_at=ASK_AT[side])


def half(entity: str) -> int:
    """Which half of the entities it is in."""
    return blake2b(entity.encode(), digest_size=1).digest()[0] & 1


def score(known: Sequence[tuple[Labelled, Crowds]], weights: PairWeights) -> Mapping[str, float]:
    """Precision and recall of what would be asked."""
    asked = [
        (weigh(a, b, around, weights).probability >= weights.ask_at, right)
        for (a, b, right, _), around in known
    ]
    hits = sum(ask and right for ask, right in asked)
    return {
        "pairs": len(asked),
        "duplicates": sum(right for _, right in asked),
        "asked": sum(ask for ask, _ in asked),
        "precision": round(hits / max(1, sum(ask for ask, _ in asked)), 4),
        "recall": round(hits / max(1, sum(right for _, right in asked)), 4),
    }


def main() -> None:
    """Fit, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--book", type=Path, action="append", required=True)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    tables: dict[Side, PairWeights] = {}
    for side in SIDES:
        known: list[tuple[Labelled, Crowds]] = []
        for folder in options.book:
            found, around = labelled(folder, side)
            known += [(pair, around) for pair in found]
        for n in (0, 1):
            other = fitted(side, [one for one in known if half(one[0][3]) != n])
            print(side, f"half {n}", score([one for one in known if half(one[0][3]) == n], other))
        tables[side] = fitted(side, known)
        print(side, "all", score(known, tables[side]))
    weights = DuplicateWeights(version="1", record=tables["record"], customer=tables["customer"])
    if options.out:
        text = json.dumps(weights.model_dump(), indent=1, sort_keys=True) + "\n"
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
