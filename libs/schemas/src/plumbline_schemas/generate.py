"""Write the JSON Schemas of every contract, or check that the committed ones are current.

`python -m plumbline_schemas.generate [--check]` keeps `libs/schemas/jsonschema/` in step with the
models; lint runs it with `--check`.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from plumbline_schemas import ledger_outputs, outputs, review_outputs
from plumbline_schemas.topics import TOPICS

FOLDER = Path(__file__).resolve().parents[2] / "jsonschema"
OUTPUTS: dict[str, type[outputs.Output]] = {
    "status": outputs.Status,
    "accounts-show": outputs.AccountShown,
    "accounts-search": outputs.AccountSearch,
    "accounts-why": outputs.Why,
    "accounts-history": ledger_outputs.AccountHistory,
    "mrr-at": ledger_outputs.MrrAt,
    "mrr-movements": ledger_outputs.MrrMovements,
    "plan": outputs.Plan,
    "migrate": outputs.Migrated,
    "apply": outputs.Applied,
    "demo": outputs.DemoTold,
    "review-list": review_outputs.ReviewList,
    "review-show": review_outputs.ReviewShown,
    "review-decide": review_outputs.Decided,
    "identity-duplicates": review_outputs.Duplicates,
    "identity-report": review_outputs.IdentityReports,
    "identity-recalibrate": review_outputs.Recalibrated,
    "links-show": review_outputs.LinksShown,
    "links-history": review_outputs.LinkHistory,
    "redeliver": outputs.Redelivered,
    "rebuild": outputs.Rebuilt,
}


def schemas() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield file name and JSON Schema of each topic's value and each command's output."""
    for topic in TOPICS.values():
        if topic.model is None:
            continue
        model = topic.model
        adapter = model if isinstance(model, TypeAdapter) else TypeAdapter(model)
        yield f"topics/{topic.name}.json", adapter.json_schema()
    for name, output in OUTPUTS.items():
        yield f"outputs/{name}.json", output.model_json_schema()


def render(schema: dict[str, Any]) -> str:
    """Stable text, so that a diff shows only what changed."""
    return json.dumps(schema, indent=1, sort_keys=True) + "\n"


def stale(folder: Path) -> list[str]:
    """Names of schema files that are missing, outdated, or no longer generated."""
    expected = {name: render(schema) for name, schema in schemas()}
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*.json")}
    wrong = [
        name
        for name, text in expected.items()
        if name not in found or found[name].read_text(encoding="utf-8") != text
    ]
    return sorted(wrong + [name for name in found if name not in expected])


def main(argv: list[str] | None = None) -> int:
    """Write the files; with `--check` only compare, and exit 1 when one is stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when a file is stale")
    if parser.parse_args(argv).check:
        wrong = stale(FOLDER)
        for name in wrong:
            sys.stderr.write(f"stale JSON Schema: {name} (run `make schemas`)\n")
        return 1 if wrong else 0
    for name in stale(FOLDER):
        (FOLDER / name).unlink(missing_ok=True)
    for name, schema in schemas():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(render(schema), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
