"""Run by Alembic: applies migrations in the transaction that `schema.upgrade` has begun."""

from alembic import context

from flask_usher.schema import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"], version_table=VERSION_TABLE
)
with context.begin_transaction():
    context.run_migrations()
