"""Figures of a set of predictions, by the definitions of the shared scorer."""

from collections.abc import Sequence
from typing import Any

from bench.identity_book import Row


def score(truth: Sequence[Row], predictions: Sequence[Row]) -> dict[str, Any]:
    """Counts and shares; a customer without a prediction counts as `none`."""
    by_id = {row["stripe_id"]: row for row in predictions}
    n = dict.fromkeys(("has", "auto", "ok", "review", "useful", "link", "link_ok", "traps"), 0)
    for row in truth:
        found = by_id.get(row["stripe_id"])
        right = {i for key in ("crm_ids", "also_ok_crm_ids") for i in row[key].split("|") if i}
        n["has"] += bool(right)
        n["link"] += row["expect"] == "link"
        if found is None or found["decision"] == "none":
            continue
        if found["decision"] == "review":
            shown = [found["crm_id"], *found["candidates"].split("|")]
            n["review"] += 1
            n["useful"] += bool(right & set(list(dict.fromkeys(filter(None, shown)))[:3]))
            continue
        ok = found["crm_id"] in right
        n["auto"] += 1
        n["ok"] += ok
        n["link_ok"] += ok and row["expect"] == "link"
        n["traps"] += not ok and found["crm_id"] == (row.get("trap_crm_id") or None)
    return {
        "precision": _share(n["ok"], n["auto"]),
        "recall": _share(n["ok"], n["has"]),
        "recall_on_expect_link": _share(n["link_ok"], n["link"]),
        "auto_or_useful_review": _share(n["ok"] + n["useful"], n["has"]),
        "review_share": _share(n["review"], len(truth)),
        "review_useful": _share(n["useful"], n["review"]),
        "agency_traps": n["traps"],
        "false_links": n["auto"] - n["ok"],
    }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
