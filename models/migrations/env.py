"""Runs the steps on the connection that `models.migrate` hands over."""

from alembic import context

from models import tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.Base.metadata,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
