"""What Alembic runs for each command, on the connection it was given."""

from alembic import context

from appliance.storage.engine import Row

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Row.metadata,
    render_as_batch=True,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
