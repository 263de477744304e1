"""Run by Alembic: renders SQL, which plumbline_runtime.schema_changes then executes.

Offline mode is used because asyncpg's prepared statements can't hold several commands, while
scripts should be free to.
"""

from alembic import context

context.configure(
    dialect_name="postgresql",
    # psycopg's style would double every percent sign.
    dialect_opts={"paramstyle": "named"},
    output_buffer=context.config.output_buffer,
    version_table="alembic_version",
    version_table_schema=context.config.attributes["schema"],
    transactional_ddl=False,
    on_version_apply=context.config.attributes["on_apply"],
)
context.run_migrations()
