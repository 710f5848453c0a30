"""Brings the database to the form that this release needs; called at every start."""

from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.engine import URL
from sqlalchemy.pool import NullPool

from appliance.errors import ApplianceError
from appliance.storage.engine import plain_engine

# Any number, as long as nothing else in this database locks the same one.
MIGRATION_LOCK = 0x0CA5E0A1


class ForeignKeysBrokenError(ApplianceError):
    """A migration left rows that point to nothing; the tables are named."""

    code = "foreign_keys_broken"

    def __init__(self, tables: list[str]) -> None:
        super().__init__(f"After the migration rows point to nothing in: {', '.join(tables)}.")


def migrate(url: URL) -> None:
    """Upgrades to the newest form; two that start at once take turns.

    Raises:
        ForeignKeysBrokenError: the result does not hold together.
    """
    with _alone(url) as connection:
        command.upgrade(alembic_config(connection), "head")
        _check_foreign_keys(connection)


def alembic_config(connection: Connection) -> Config:
    """Alembic's settings, bound to an open connection."""
    config = Config()
    config.set_main_option("script_location", "appliance.storage:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


@contextmanager
def _alone(url: URL) -> Iterator[Connection]:
    # An engine of its own: with foreign keys switched on, SQLite deletes the children of a table
    # that a migration rebuilds.
    engine = plain_engine(url, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                # A session's lock, not a transaction's: each migration commits its own.
                lock = text("SELECT pg_advisory_lock(:lock)")
                connection.execute(lock, {"lock": MIGRATION_LOCK})
                connection.commit()
                yield connection
                connection.commit()
            else:
                with Path(f"{url.database}.lock").open("w") as file:
                    flock(file, LOCK_EX)
                    yield connection
                    connection.commit()
    finally:
        engine.dispose()


def _check_foreign_keys(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        return
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    if broken:
        raise ForeignKeysBrokenError(sorted({row[0] for row in broken}))
