"""The figures of the product's predictions and of two simple baselines, side by side."""

import subprocess
import sys
import tempfile
from pathlib import Path

from bench.identity_book import rows
from bench.identity_score import score

MODES = ("domain", "cascade")
SHOWN = (
    "precision", "recall", "recall_on_expect_link", "auto_or_useful_review", "review_share",
    "review_useful", "agency_traps", "false_links",
)  # fmt: skip


def compare(book: Path, predictions: Path, script: Path) -> None:
    """Print one line each; `script` is called as `SCRIPT BOOK domain|cascade OUT`."""
    truth = rows(book / "truth.csv")
    print(" " * 9, *(f"{name:>21}" for name in SHOWN))
    _line("plumbline", truth, predictions)
    with tempfile.TemporaryDirectory(prefix="identity-baselines-") as folder:
        for mode in MODES:
            out = Path(folder) / f"{mode}.csv"
            subprocess.run([sys.executable, str(script), str(book), mode, str(out)], check=True)
            _line(mode, truth, out)


def _line(name: str, truth: list[dict[str, str]], predictions: Path) -> None:
    found = score(truth, rows(predictions))
    print(f"{name:9}", *(f"{found[key]!s:>21}" for key in SHOWN), flush=True)
