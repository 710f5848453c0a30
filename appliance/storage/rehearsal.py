"""Tries the migrations where they can do no harm, and looks whether a database is whole."""

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import NullPool

from appliance.errors import ApplianceError
from appliance.storage.engine import DatabaseUnavailableError, Session, plain_engine
from appliance.storage.generations import generation_of
from appliance.storage.migrations import MIGRATION_LOCK, SCHEMA_GENERATION, migrate, upgrade

T = TypeVar("T")
# Who waits longer for others' locks would hold up those that work.
LOCK_PATIENCE_MS = 5000
# A copy, the migrations' own copies of tables, and what the log of a transaction takes.
ROOM = 3
SPARE_BYTES = 16 * 1024 * 1024
PROBLEMS_SHOWN = 5


class NoRoomError(ApplianceError):
    """There is too little room on the disk for a copy of the database."""

    code = "disk_full"

    def __init__(self, folder: Path, *, needed: int, free: int) -> None:
        super().__init__(
            f"{folder} has {free >> 20} MiB free; a copy of the database there needs "
            f"{needed >> 20} MiB."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """The form that a database has, and the one that the migrations brought a copy of it to."""

    before: int | None
    after: int | None


@contextmanager
def connected(url: URL) -> Iterator[Connection]:
    """A connection by which nothing is migrated, and no SQLite file made.

    Raises:
        DatabaseUnavailableError: it cannot be reached.
    """
    engine = plain_engine(url, poolclass=NullPool)
    try:
        try:
            connection = engine.connect()
        except DatabaseError as cause:
            raise DatabaseUnavailableError from cause
        with connection:
            yield connection
    finally:
        engine.dispose()


def exists(url: URL) -> bool:
    """Whether there is something to connect to: an SQLite file, or any server."""
    return url.get_backend_name() != "sqlite" or Path(str(url.database)).is_file()


def found_generation(url: URL) -> int | None:
    """The form of a database as it lies there; None where it has none yet."""
    if not exists(url):
        return None
    with connected(url) as connection:
        return generation_of(connection)


def rehearse(url: URL, check: Callable[[Session], T]) -> tuple[Rehearsal, T]:
    """Migrates a copy of an SQLite database, or PostgreSQL's in a transaction that is undone.

    `check` looks at the result.

    Raises:
        NoRoomError: no room for the copy.
        ApplianceError: what the migration itself would fail with.
    """
    if url.get_backend_name() != "sqlite":
        return _in_a_transaction(url, check)
    path = Path(str(url.database))
    make_room(path.parent, size_of(url) * ROOM)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".rehearsal-") as folder:
        copy = Path(folder) / path.name
        copy_file(path, copy)
        target = url.set(database=str(copy))
        before = found_generation(target)
        migrate(target)
        with connected(target) as connection, Session(connection) as session:
            found = check(session)
            return Rehearsal(before=before, after=generation_of(connection)), found


def _in_a_transaction(url: URL, check: Callable[[Session], T]) -> tuple[Rehearsal, T]:
    with connected(url) as connection, connection.begin() as transaction:
        connection.execute(text(f"SET LOCAL lock_timeout = {LOCK_PATIENCE_MS}"))
        lock = text("SELECT pg_advisory_xact_lock(:lock)")
        try:
            connection.execute(lock, {"lock": MIGRATION_LOCK})
            before = generation_of(connection)
            upgrade(connection)
        except DatabaseError as cause:
            if getattr(cause.orig, "sqlstate", None) == "55P03":  # lock_not_available
                raise DatabaseUnavailableError from cause
            raise
        with Session(connection) as session:
            found = check(session)
            after = generation_of(connection)
        transaction.rollback()
        return Rehearsal(before=before, after=after), found


def problems(url: URL) -> tuple[str, ...]:
    """What is wrong with a database as it lies there; nothing is changed."""
    if not exists(url):
        return ("There is no database.",)
    try:
        with connected(url) as connection:
            found = generation_of(connection)
            if found is not None and found > SCHEMA_GENERATION + 1:
                return (f"It has form {found}; this release knows {SCHEMA_GENERATION}.",)
            if connection.dialect.name != "sqlite":
                return ()
            rows = connection.exec_driver_sql(f"PRAGMA integrity_check({PROBLEMS_SHOWN})").all()
            said = [str(row[0]) for row in rows if row[0] != "ok"]
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
            said += [f"Rows point to nothing in {name}." for name in sorted({r[0] for r in broken})]
            return tuple(said)
    except DatabaseError:
        return ("It cannot be read as a database.",)


def size_of(url: URL) -> int:
    """How large the database is, in bytes, with what is not yet in its main file."""
    if url.get_backend_name() != "sqlite":
        with connected(url) as connection:
            query = text("SELECT pg_database_size(current_database())")
            return int(connection.execute(query).scalar_one())
    files = (Path(f"{url.database}{suffix}") for suffix in ("", "-wal"))
    return sum(each.stat().st_size for each in files if each.exists())


def make_room(folder: Path, needed: int) -> None:
    """Passes when there is room for that many bytes and some more.

    Raises:
        NoRoomError: there is not.
    """
    free = shutil.disk_usage(folder).free
    if free < needed + SPARE_BYTES:
        raise NoRoomError(folder, needed=needed + SPARE_BYTES, free=free)


def copy_file(source: Path, target: Path) -> None:
    """A consistent copy of an SQLite file that is in use, as one file, for its owner alone."""
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True)) as found,
        closing(sqlite3.connect(target)) as copy,
    ):
        target.chmod(0o600)
        # In one step: one page after the other would begin anew with each write by others.
        found.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
