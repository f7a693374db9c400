"""What alembic runs to carry out the steps: all of them in the one transaction that `schema.migrate` has begun."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
