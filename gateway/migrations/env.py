"""Alembic's entry: runs the migrations on the engine that the gateway hands over."""

from alembic import context

from auth.store.store import metadata as auth_metadata
from gateway.store.schema import metadata

engine = context.config.attributes["engine"]
with engine.connect() as connection:
    context.configure(
        connection=connection, target_metadata=[metadata, auth_metadata], render_as_batch=True, compare_type=True
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
