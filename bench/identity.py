"""`python bench/identity.py --book DIR --out FILE`: decide a book through the product's own code.

Prints time, customers a second, p50/p95/p99 of a customer and peak RSS; writes predictions with the
columns stripe_id,decision,crm_id,score,candidates. See docs/identity.md.
"""

import argparse
import csv
import gc
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":  # the folder holds modules that other packages' names would find first
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from plumbline_domain.identity.compare import FITS
from plumbline_domain.identity.decide import Decision, decide
from plumbline_domain.identity.index import KeyIndex, MemoryIndex, gather
from plumbline_domain.identity.profile import Profile, customer_profile, record_profile
from plumbline_domain.identity.weights import Weights, shipped, total

from bench.identity_book import Book, read_book

BATCH = 100


def build(book: Book) -> tuple[MemoryIndex, list[Profile]]:
    """The index of a book in memory, and the customers' profiles."""
    index = MemoryIndex()
    index.put("record", map(record_profile, book.records))
    return index, arrived(index, book)


def arrived(index: MemoryIndex, book: Book) -> list[Profile]:
    """The customers' profiles, which now stand in the index."""
    customers = [customer_profile(party) for party in book.customers]
    index.put("customer", customers)
    return customers


def decide_all(
    index: KeyIndex, customers: Sequence[Profile], weights: Weights
) -> tuple[list[Decision], list[float]]:
    """Decisions, and the seconds each took including its share of the look-up."""
    decisions, seconds = [], []
    for start in range(0, len(customers), BATCH):
        batch = customers[start : start + BATCH]
        began = time.process_time()
        around = gather(index, batch)
        share = (time.process_time() - began) / len(batch)
        for customer in batch:
            began = time.process_time()
            decisions.append(decide(customer, around, weights))
            seconds.append(time.process_time() - began + share)
    return decisions, seconds


def write(path: Path, decisions: Sequence[Decision]) -> None:
    """Predictions as the scorer reads them."""
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["stripe_id", "decision", "crm_id", "score", "candidates"])
        writer.writerows(prediction(decision) for decision in decisions)


def prediction(decision: Decision) -> list[str]:
    """One row of the predictions."""
    shown = [candidate.record_id for candidate in decision.candidates]
    first = decision.record_id or (shown[0] if shown and decision.outcome == "review" else "")
    score = f"{decision.candidates[0].probability:.6f}" if decision.candidates else ""
    listed = shown if decision.outcome == "review" else []
    return [decision.customer_id, decision.outcome, first, score, "|".join(listed)]


def reproduced(decisions: Sequence[Decision], weights: Weights) -> None:
    """Print how many candidates' scores follow from the codes of their evidence."""
    every = [candidate for decision in decisions for candidate in decision.candidates]
    same = sum(c.score == total(weights, (piece.code for piece in c.evidence)) for c in every)
    share = f" ({100 * same / len(every):.1f} %)" if every else ""
    print(f"scores  {same} of {len(every)}{share} reproduce from their evidence")


def off_hubs(decisions: Sequence[Decision]) -> None:
    """Print how many links rest on the domain of a payer for others (a hub).

    One whose customer bears the owner's name rests on that name.
    """
    linked = [d for d in decisions if d.outcome == "auto" and d.method == "evidence"]
    there = [d for d in linked if d.portrait.hub and _by_domain(d)]
    made = sum(not called(decision) for decision in there)
    print(f"hubs    {made} links made on a hub domain; {len(there) - made} of its owner by name")


def _by_domain(decision: Decision) -> bool:
    return any(piece.code.startswith("domain.") for piece in decision.candidates[0].evidence)


def called(decision: Decision) -> bool:
    """Whether the customer bears the name of the record it is linked to."""
    match = decision.candidates[0].match
    return match is not None and match.level in FITS


def quantile(seconds: Sequence[float], at: float) -> float:
    """The `at` quantile in milliseconds."""
    ranked = sorted(seconds)
    return 1000 * ranked[min(len(ranked) - 1, int(at * len(ranked)))]


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--book", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--stream", action="store_true", help="play the book's events.csv")
    parser.add_argument("--records", type=int, default=0, help="pad to so many, in PostgreSQL")
    parser.add_argument("--baselines", type=Path, help="script of the baselines, to compare with")
    parser.add_argument(
        "--halves", type=int, default=0, help="fit on half of the companies, N seeds, both ways"
    )
    asked = parser.parse_args()
    gc.set_threshold(50_000, 20, 50)  # as the matcher's process sets them
    if asked.records:
        from bench.identity_million import run as padded  # noqa: PLC0415 - needs a server

        padded(asked.book, asked.records)
    if asked.stream:
        from bench.identity_stream import run  # noqa: PLC0415 - it imports this module

        run(asked.book, asked.out)
        return
    book = read_book(asked.book)
    began = time.process_time()
    index = MemoryIndex()
    index.put("record", map(record_profile, book.records))
    built = time.process_time()
    decisions, seconds = decide_all(index, arrived(index, book), shipped())
    ended = time.process_time()
    write(asked.out, decisions)
    reproduced(decisions, shipped())
    off_hubs(decisions)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"records {len(book.records)}, customers {len(book.customers)}")
    count = len(book.customers)
    print(f"index   {built - began:.2f} s of CPU for the records' keys")
    print(
        f"batch   {ended - built:.2f} s of CPU, {count / (ended - built):.0f} customers/s", end=""
    )
    print(f" ({count / (ended - began):.0f} with the index)")
    cuts = ", ".join(f"p{int(at * 100)} {quantile(seconds, at):.3f} ms" for at in (0.5, 0.95, 0.99))
    print(f"customer {cuts}   peak RSS {peak:.0f} MB")
    if asked.baselines:
        from bench.identity_baselines import compare  # noqa: PLC0415 - rarely asked for

        compare(asked.book, asked.out, asked.baselines)
    if asked.halves:
        from bench.fit_identity import halves  # noqa: PLC0415 - it imports this module

        halves([asked.book], asked.halves)


if __name__ == "__main__":
    main()
