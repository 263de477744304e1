"""Running the migrations of every installed package, one schema each (design 12)."""

import io
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

GROUP: Final = "plumbline.migrations"
_FIRST: Final = "runtime"
_LOCK_KEY: Final = 0x706C756D62
"""Any number will do, as long as every version of Plumbline takes the same one."""

_LOCK_WAIT_SECONDS: Final = 60.0
_LOCK_TIMEOUT: Final = "5s"
_STATEMENT_TIMEOUT: Final = "60s"


async def run_migrations(database_url: str) -> list[str]:
    """Bring every schema to its newest revision; see `plumbline_runtime.migrations.migrate`."""
    conn = await asyncpg.connect(database_url, timeout=10, command_timeout=_LOCK_WAIT_SECONDS)
    try:
        await conn.execute("select pg_advisory_lock($1)", _LOCK_KEY)
        applied: list[str] = []
        for schema, folder in packages():
            applied += await _migrate_schema(conn, schema, folder)
        return applied
    finally:
        await conn.close()


def packages() -> list[tuple[str, Path]]:
    """Schemas and the folders of their scripts, the runtime's first."""
    points = sorted(entry_points(group=GROUP), key=lambda p: (p.name != _FIRST, p.name))
    return [(point.name, _folder(point)) for point in points]


def _folder(point: EntryPoint) -> Path:
    spec = find_spec(point.value)
    if spec is None or not spec.submodule_search_locations:
        raise LookupError(
            f"entry point {GROUP}/{point.name}: found {point.value!r}, expected a package with "
            f"migration scripts"
        )
    return Path(spec.submodule_search_locations[0])


async def _migrate_schema(conn: Any, schema: str, folder: Path) -> list[str]:
    applied: list[str] = []
    config = _config(schema, folder, applied)
    head = ScriptDirectory.from_config(config).get_current_head()
    if head is None:
        return []
    quoted = '"' + schema.replace('"', '""') + '"'
    table = f"{quoted}.alembic_version"
    exists = await conn.fetchval("select to_regclass($1) is not null", table)
    current = await conn.fetchval(f"select version_num from {table}") if exists else None  # noqa: S608
    if current == head:
        return []
    sql = _render(config, current, head)
    async with conn.transaction():
        await conn.execute(f"set local lock_timeout = '{_LOCK_TIMEOUT}'")
        await conn.execute(f"set local statement_timeout = '{_STATEMENT_TIMEOUT}'")
        await conn.execute(f"create schema if not exists {quoted}")
        await conn.execute(sql)
    return applied


def _config(schema: str, folder: Path, applied: list[str]) -> Config:
    def on_apply(*, step: Any, **_: Any) -> None:
        applied.extend(f"{schema}:{revision}" for revision in step.up_revision_ids)

    config = Config(output_buffer=io.StringIO())
    environment = files("plumbline_runtime") / "migration_environment"
    config.set_main_option("script_location", _escape(str(environment)))
    config.set_main_option("version_locations", _escape(str(folder)))
    config.set_main_option("path_separator", "newline")
    config.attributes.update(schema=schema, on_apply=on_apply)
    return config


def _render(config: Config, current: str | None, head: str) -> str:
    buffer = io.StringIO()
    config.output_buffer = buffer
    command.upgrade(config, f"{current or 'base'}:{head}", sql=True)
    return buffer.getvalue()


def _escape(text: str) -> str:
    return text.replace("%", "%%")
