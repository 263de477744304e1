"""Commands that change something: migrate, apply, redeliver, rebuild."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from plumbline_local.pair import EmbeddedPair
from plumbline_local.paths import Cache, Home
from plumbline_schemas.outputs import Applied, Migrated, Rebuilt, Redelivered

from console.publishing import apply_config
from console.reach import NotRunning, connected, find_config, find_run, servers
from console.show import ERR, OUT, fail, print_json, table


def run_migrate(config: Path | None, *, as_json: bool) -> int:
    """Migrate the database and create missing topics."""
    del config

    async def migrate_all(kafka: str, database: str) -> Migrated:
        from plumbline_runtime.migrations import migrate
        from plumbline_runtime.topics import ensure_topics

        await ensure_topics(kafka, os.environ.get("PLUMBLINE_TOPIC_PREFIX", ""))
        return Migrated(applied=await migrate(database))

    with stores(running=True) as (kafka, database):
        done = asyncio.run(migrate_all(kafka, database))
    if as_json:
        print_json(done)
    else:
        OUT.print("\n".join(done.applied) or "nothing to do: the database is current")
    return 0


def run_apply(config: Path | None, *, as_json: bool) -> int:
    """Append the configuration to the log where it changed."""
    run = find_run()
    deployment = find_config(config, run)

    async def apply_all() -> list[str]:
        kafka, database = servers(run)
        async with connected(database) as db:
            return await apply_config(db, kafka, deployment, datetime.now(UTC))

    try:
        changed = asyncio.run(apply_all())
    except NotRunning as error:
        fail(str(error))
        return 1
    if as_json:
        print_json(Applied(workspaces=changed))
    else:
        OUT.print("applied: " + ", ".join(changed) if changed else "nothing changed")
    return 0


def run_redeliver(config: Path | None, offset: int, *, as_json: bool) -> int:
    """Set every stored position back to `offset`; refused while services run."""
    del config
    if _services_run():
        return 1

    async def set_back(_: str, database: str) -> Redelivered:
        async with connected(database) as db:
            rows = await db.fetch(
                """update runtime.offsets set next_offset = $1, updated_at = now()
                   where next_offset > $1
                   returning group_id, topic, partition, next_offset""",
                offset,
            )
        return Redelivered(
            positions={
                f"{row['group_id']}/{row['topic']}/{row['partition']}": row["next_offset"]
                for row in sorted(rows, key=lambda row: tuple(row)[:3])
            }
        )

    with stores(running=False) as (kafka, database):
        done = asyncio.run(set_back(kafka, database))
    if as_json:
        print_json(done)
    else:
        table("Set back", ["group/topic/partition", "next offset"], done.positions.items())
        OUT.print("The next `plumbline up` processes these records again; nothing should change.")
    return 0


def run_rebuild(config: Path | None, *, as_json: bool) -> int:
    """Fold the log into an empty database; 1 when the result differs from the original."""
    del config
    if _services_run():
        return 1
    with stores(running=False) as (kafka, database):
        done = _rebuild(kafka, database)
    if done is None:
        return 1
    if as_json:
        print_json(done)
    else:
        OUT.print(f"{done.records} records folded in {done.seconds:.1f} s")
        OUT.print(f"rebuilt   {done.digest}")
        if done.compared_with is not None:
            told = "equal" if done.equal else f"DIFFERENT in {', '.join(done.different)}"
            OUT.print(f"original  {done.compared_with}  {told}")
    return 1 if done.equal is False else 0


def _rebuild(kafka: str, database: str) -> Rebuilt | None:
    """Run the matcher's own fold in a process of its own: no service imports another."""
    environment = os.environ | {"KAFKA_BOOTSTRAP_SERVERS": kafka, "DATABASE_URL": database}
    finished = subprocess.run(
        [sys.executable, "-m", "matcher.rebuild"],
        env=environment, stdout=subprocess.PIPE, check=False,
    )  # fmt: skip
    if finished.returncode != 0:
        fail("the rebuild was refused or failed; its reason stands above")
        return None
    return Rebuilt.model_validate_json(finished.stdout.splitlines()[-1])


def _services_run() -> bool:
    run = find_run()
    if run is None:
        return False
    fail(f"`plumbline up` runs (pid {run.pid}): stop it first")
    return True


@contextmanager
def stores(*, running: bool) -> Iterator[tuple[str, str]]:
    """Addresses of both servers; starts the embedded pair of this home when nothing runs."""
    run = find_run()
    named = os.environ.get("KAFKA_BOOTSTRAP_SERVERS") and os.environ.get("DATABASE_URL")
    if named or (running and run is not None):
        yield servers(run)
        return
    with EmbeddedPair(
        Home.from_environment(), Cache.from_environment(), progress=ERR.print
    ) as pair:
        yield (
            os.environ.get("KAFKA_BOOTSTRAP_SERVERS") or pair.bootstrap_servers,
            os.environ.get("DATABASE_URL") or pair.database_url,
        )
