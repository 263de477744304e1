"""`plumbline attention list`: what needs a person, from the tables of every service.

The tables are asked, not `attention.v1`: an item is stored with its cause and published later, so
while a service or Kafka is down only the tables know all of them.
"""

import asyncio
from collections import Counter
from datetime import UTC, datetime

import asyncpg
from plumbline_runtime.postgres import UNREACHABLE
from plumbline_schemas.outputs import AttentionItem, AttentionList

from console.reach import NotRunning, connected, find_run, servers
from console.show import OUT, age, fail, print_json, table

_VIEW = "attention_view"


def run_attention(
    *, kind: str | None, workspace: str | None, everything: bool, as_json: bool
) -> int:
    """Print open items, oldest first; with `everything` also closed ones."""

    async def ask() -> AttentionList:
        _, database = servers(find_run())
        async with connected(database) as db:
            found = await items(db, everything=everything)
        return AttentionList(
            items=[
                one
                for one in found
                if kind in {None, one.kind} and workspace in {None, one.workspace}
            ]
        )

    try:
        found = asyncio.run(ask())
    except NotRunning as error:
        fail(str(error))
        return 1
    except UNREACHABLE as error:
        fail(f"PostgreSQL does not answer: {type(error).__name__}: {error}")
        return 1
    print_json(found) if as_json else _print(found)
    return 0


async def items(db: asyncpg.Connection, *, everything: bool = False) -> list[AttentionItem]:
    """Every open item, oldest first, of every schema that has an attention view."""
    schemas = await db.fetch(
        """select table_schema as name from information_schema.views
           where table_name = $1 order by table_schema""",
        _VIEW,
    )
    found: list[AttentionItem] = []
    for schema in schemas:
        rows = await db.fetch(
            f"""select to_jsonb(item) as item from {schema["name"]}.{_VIEW} as item
                where $1 or status = 'open'""",  # noqa: S608 - a name from the catalogue
            everything,
        )
        for row in rows:
            item = row["item"]
            item["changed_at"] = item.get("changed_at") or item["opened_at"]
            item["details"] = item.get("details") or {}
            found.append(AttentionItem.model_validate(item))
    return sorted(found, key=lambda one: (one.opened_at, one.workspace, one.kind, one.subject))


async def kinds(db: asyncpg.Connection) -> dict[str, int]:
    """How many items of each kind are open."""
    return dict(sorted(Counter(one.kind for one in await items(db)).items()))


def _print(found: AttentionList) -> None:
    if not found.items:
        OUT.print("nothing needs attention")
        return
    now = datetime.now(UTC)
    table(
        f"{len(found.items)} items",
        ["age", "kind", "what"],
        [
            (
                age(now, one.opened_at) + ("" if one.status == "open" else " (closed)"),
                one.kind,
                f"{one.workspace}: {one.subject}\n{one.summary}{_details(one)}",
            )
            for one in found.items
        ],
        whole=["age", "kind"],
    )


def _details(item: AttentionItem) -> str:
    said = ("topic", "connection", "reason", "service", "since", "latest")
    told = [f"{name}: {value}" for name, value in item.details.items() if name not in said]
    return "".join(f"\n{one}" for one in told)
