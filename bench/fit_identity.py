"""`python bench/fit_identity.py --book DIR ... [--out FILE] [--cross N]`: fit the weights.

--cross N fits on one half of the companies and reports on the other, both ways, for N seeds.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # the folder holds modules that other packages' names would find first
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from plumbline_domain.identity.decide import nearness, weigh
from plumbline_domain.identity.evidence import Scene
from plumbline_domain.identity.index import gather
from plumbline_domain.identity.portrait import paint
from plumbline_domain.identity.weights import Weights

from bench.identity import build, decide_all, prediction
from bench.identity_book import Row, read_book, rows
from bench.identity_fitting import Pair, fit, table
from bench.identity_score import score

BARE = Weights(version="none", bias=0, pieces={})
BARRED = (
    "precision", "recall", "recall_on_expect_link", "auto_or_useful_review", "review_share",
    "review_useful", "agency_traps", "false_links",
)  # fmt: skip
NEAR = 12
"""Candidates of a customer that become pairs."""


class Labelled:
    """A book with its truth, and the evidence of every customer's candidates."""

    def __init__(self, folder: Path) -> None:
        self.truth = rows(folder / "truth.csv")
        self.index, self.customers = build(read_book(folder))
        self.around = gather(self.index, self.customers)

    def pairs(self, wanted: Callable[[Row], bool]) -> list[list[Pair]]:
        """Labelled candidates of each customer whose row of the truth is `wanted`."""
        found: list[list[Pair]] = []
        by_id = {customer.id: customer for customer in self.customers}
        for row in self.truth:
            if not wanted(row):
                continue
            right = {*row["crm_ids"].split("|"), *row["also_ok_crm_ids"].split("|")}
            near = candidates(by_id[row["stripe_id"]], self.around)
            found.append([Pair(codes, record_id in right) for codes, record_id in near])
        return found

    def report(self, weights: Weights, wanted: Callable[[Row], bool]) -> dict[str, Any]:
        """The scorer's figures of the customers whose row of the truth is `wanted`."""
        kept = [row for row in self.truth if wanted(row)]
        ids = {row["stripe_id"] for row in kept}
        customers = [customer for customer in self.customers if customer.id in ids]
        decisions, _ = decide_all(self.index, customers, weights)
        names = ("stripe_id", "decision", "crm_id", "score", "candidates")
        predictions = [dict(zip(names, prediction(d), strict=True)) for d in decisions]
        return score(kept, predictions)


def candidates(customer: Any, around: Any) -> list[tuple[tuple[str, ...], str]]:
    """(codes, record id) of a customer's nearest records."""
    scene = Scene(around.records, paint(customer, around), around.record_profiles)
    found = []
    near = nearness(customer, around)
    for record_id in sorted(near, key=lambda i: (-near[i], i))[:NEAR]:
        weighed = weigh(customer, around.record_profiles[record_id], scene, BARE)
        found.append((tuple(piece.code for piece in weighed.evidence), record_id))
    return found


def half_of(row: Row, seed: int) -> int:
    """The half a company falls into: all its customers together."""
    company = row["entity_id"] or row["stripe_id"]
    return hashlib.sha256(f"{seed}:{company}".encode()).digest()[0] % 2


def fitted(pairs: Sequence[Sequence[Pair]], version: str) -> Weights:
    """Weights of labelled customers with the shipped thresholds."""
    bias, pieces = table(*fit(pairs))
    return Weights(version=version, bias=bias, pieces=pieces)


def crossed(books: Sequence[Labelled], names: Sequence[str], seed: int) -> list[dict[str, Any]]:
    """Figures of each half of the first book, with weights fitted on the other halves of all."""
    found = []
    for half in (0, 1):
        train = [
            pair
            for book in books
            for pair in book.pairs(lambda row, h=half: half_of(row, seed) == h)  # type: ignore[misc]
        ]
        weights = fitted(train, f"half {seed}.{half}")
        report = books[0].report(weights, lambda row, h=half: half_of(row, seed) != h)  # type: ignore[misc]
        print(f"{names[0]} seed {seed} fitted on half {half}: {line(report)}", flush=True)
        found.append(report)
    return found


def halves(folders: Sequence[Path], seeds: int) -> None:
    """Print each half's figures and their spread."""
    books, names = [Labelled(folder) for folder in folders], [folder.name for folder in folders]
    spread([found for seed in range(seeds) for found in crossed(books, names, seed)])


def spread(found: Sequence[dict[str, Any]]) -> None:
    """Lowest, mean and highest of every figure."""
    for name in BARRED:
        values = [figures[name] for figures in found]
        mean = sum(values) / len(values)
        print(f"{name:22} {min(values):.4f} to {max(values):.4f}, mean {mean:.4f}")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--book", type=Path, action="append", required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--cross", type=int, default=0)
    asked = parser.parse_args()
    if asked.cross:
        halves(asked.book, asked.cross)
    if asked.out:
        books = [Labelled(folder) for folder in asked.book]
        pairs = [pair for book in books for pair in book.pairs(lambda _row: True)]
        weights = fitted(pairs, "1")
        asked.out.write_text(json.dumps(weights.model_dump(), indent=1) + "\n", encoding="utf-8")
        print(f"{len(pairs)} customers -> {asked.out}")


def line(found: dict[str, Any]) -> str:
    """The figures that have a bar."""
    return " ".join(f"{name} {found[name]}" for name in BARRED)


if __name__ == "__main__":
    main()
