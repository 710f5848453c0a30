"""Brings the database to the form that this release needs; called at every start."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from fcntl import LOCK_EX, flock
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.engine import URL
from sqlalchemy.pool import NullPool

from appliance.errors import ApplianceError
from appliance.storage.engine import plain_engine
from appliance.storage.generations import DatabaseTooNewError, generation_of, note_generation

# One more with each release that has new migrations. A release also works with a database that is
# one ahead, so that a rollback keeps the live database.
SCHEMA_GENERATION = 1
# Any number, as long as nothing else in this database locks the same one.
MIGRATION_LOCK = 0x0CA5E0A1


class ForeignKeysBrokenError(ApplianceError):
    """A migration left rows that point to nothing; the tables are named."""

    code = "foreign_keys_broken"

    def __init__(self, tables: list[str]) -> None:
        super().__init__(f"After the migration rows point to nothing in: {', '.join(tables)}.")


def migrate(url: URL) -> None:
    """Upgrades to the newest form; two that start at once take turns.

    A database that the next release has upgraded is left as it is.

    Raises:
        DatabaseTooNewError: it is further ahead than that.
        ForeignKeysBrokenError: the result does not hold together.
    """
    with _alone(url) as connection:
        upgrade(connection)


def upgrade(connection: Connection) -> None:
    """`migrate` on a connection that nobody else migrates on at the time.

    Raises:
        DatabaseTooNewError: more than one generation ahead.
        ForeignKeysBrokenError: the result does not hold together.
    """
    found = generation_of(connection)
    if found is not None and found > SCHEMA_GENERATION + 1:
        raise DatabaseTooNewError(found, SCHEMA_GENERATION)
    if found is None or found <= SCHEMA_GENERATION:
        command.upgrade(alembic_config(connection), "head")
        note_generation(connection, SCHEMA_GENERATION, release=own_release(), now=datetime.now(UTC))
    _check_foreign_keys(connection)


def own_release() -> str:
    """This program's version; in a clone that was never installed, a word that says so."""
    try:
        return version("casemate")
    except PackageNotFoundError:
        return "unreleased"


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
