"""Schema changes: this package's own scripts, and the function that runs everybody's."""


async def migrate(database_url: str) -> list[str]:
    """Bring every schema up to date; returns `schema:revision` of each change made.

    Every package names its scripts by an entry point of group `plumbline.migrations`. One
    migration runs at a time (advisory lock); each waits at most a few seconds for a table's lock.
    """
    # Alembic and SQLAlchemy take a quarter of a second to import: no service pays for them.
    from plumbline_runtime.schema_changes import run_migrations  # noqa: PLC0415

    return await run_migrations(database_url)
