"""Play blocks one after the other in one database, and say what came of them."""

import asyncio
import gc
import sys
from collections.abc import Sequence

from plumbline_runtime.postgres import create_pool

from tests.histories.block import Block, Difference, Outcome
from tests.histories.delivery import Counts
from tests.histories.product import Product

READS_MAX = 0.02
"""Reads for ties, as a share of events."""
_SHOWN = 12


class BlockFailed(Exception):  # noqa: N818 - what has happened
    """A block could not be played to its end; the message says which."""


def play_part(url: str, seed: int, firsts: Sequence[int]) -> Outcome:
    """One process's blocks."""
    gc.freeze()
    return asyncio.run(play_all(url, seed, firsts))


async def play_all(url: str, seed: int, firsts: Sequence[int]) -> Outcome:
    """The blocks that begin with these histories."""
    outcome = Outcome()
    pool = await create_pool(url)
    try:
        product = Product(pool)
        await product.open()
        for number, first in enumerate(firsts, 1):
            try:
                played = await Block(seed, first).play(product)
            except Exception as error:
                # In words: not every exception can be sent to another process.
                raise BlockFailed(f"seed {seed} block {first}: {error!r}") from error
            outcome.add(played)
            for one in played.differences:
                sys.stderr.write(f"{_in_words(seed, one)}\n")
            if number % 10 == 0:
                done = f"{number}/{len(firsts)} blocks, {outcome.compared} compared\n"
                sys.stderr.write(done)
            sys.stderr.flush()
    finally:
        await pool.close()
    return outcome


def report(outcome: Outcome, seed: int, seconds: float) -> int:
    """Print the figures and, of each field, the first difference; 1 when there is any."""
    counts, different = outcome.counts, {one.history for one in outcome.differences}
    events = max(counts.events, 1)
    own = counts.tied - counts.tied_invoices
    missing = counts.reads["missing"] / events
    lines = [
        f"histories compared: {outcome.compared}",
        f"different: {len(different)}",
        f"events: {counts.events}, delivered {counts.deliveries} times",
        f"share of ties: {counts.tied / events:.2%} of events share object and second with another",
        f"share of ties without invoices, whose own progress tells: {own / events:.2%}",
        f"extra reads for ties: {counts.reads['tie'] / events:.2%} of events",
        f"extra reads for what was missing: {missing:.2%} of events ({_by_kind(counts)})",
        f"reads that deliveries themselves ask for: {counts.reads['delivery'] / events:.2%}",
        f"seconds: {seconds:.0f}",
    ]
    shown: set[str] = set()
    for one in sorted(outcome.differences, key=lambda one: one.history):
        if one.field in shown or len(shown) >= _SHOWN:
            continue
        shown.add(one.field)
        lines.append(_in_words(seed, one))
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if different or counts.reads["tie"] / events > READS_MAX else 0


def _by_kind(counts: Counts) -> str:
    """Of which kinds of objects, most first."""
    found = [(number, kind) for (why, kind), number in counts.kinds.items() if why == "missing"]
    return ", ".join(f"{kind} {number}" for number, kind in sorted(found, reverse=True))


def _in_words(seed: int, one: Difference) -> str:
    """Enough to play it again."""
    where = f"seed {seed} history {one.history} ({one.order})"
    return f"{where}: {one.field}: found {one.found!r}, true {one.true!r}"
