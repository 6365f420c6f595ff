"""How Alembic reaches the ledger: through the connection that `Ledger.migrate` holds."""

from alembic import context

from flows.runtime.ledger.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters tables by copying them
    transactional_ddl=True,
)
context.run_migrations()
