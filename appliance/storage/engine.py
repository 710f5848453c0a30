"""The database: one way in, for SQLite and PostgreSQL, one transaction for each unit of work."""

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import anyio
import anyio.to_thread
from sqlalchemy import Engine, MetaData, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlmodel import Session, SQLModel, create_engine

from appliance.errors import ApplianceError

__all__ = [
    "MAX_ID",
    "PUBLISHED",
    "DatabasePasswordError",
    "DatabaseUnavailableError",
    "DatabaseUrlError",
    "Db",
    "Row",
    "Session",
    "database_url",
    "plain_engine",
    "with_password",
]

T = TypeVar("T")
Work = Callable[[Session], T]

SQLITE_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=NORMAL",
    "foreign_keys=ON",
    "busy_timeout=5000",
)
# PostgreSQL's serialization_failure and deadlock_detected: nothing was written, try again.
RETRIED_STATES = {"40001", "40P01"}
MAX_TRIES = 30
# The largest number that an integer column holds on both databases.
MAX_ID = 2**31 - 1
# Set in a session's `info` by what others wait for.
PUBLISHED = "published"


class Row(SQLModel):
    """What every table inherits from; its metadata names constraints alike on both databases."""

    metadata: ClassVar[MetaData] = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class DatabaseUrlError(ApplianceError):
    """The database's URL is not one of SQLite with a file or of PostgreSQL."""

    code = "database_url_invalid"

    def __init__(self) -> None:
        super().__init__("CASEMATE_DATABASE_URL must begin with sqlite:/// or postgresql://.")


class DatabasePasswordError(ApplianceError):
    """The file with the database's password cannot be read, or holds none."""

    code = "database_password_unreadable"

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"The file {path}, which CASEMATE_DATABASE_PASSWORD_FILE names, holds no password "
            "that can be read."
        )


class DatabaseUnavailableError(ApplianceError):
    """The database does not answer, or not in time."""

    code = "database_unavailable"

    def __init__(self) -> None:
        super().__init__("The database cannot be used right now; try again in a moment.")


def database_url(text: str) -> URL:
    """Parses the database's URL; PostgreSQL is always spoken to through psycopg.

    Raises:
        DatabaseUrlError: another database, or an SQLite one that lives in memory.
    """
    try:
        url = make_url(text)
    except ArgumentError:
        raise DatabaseUrlError from None
    match url.get_backend_name():
        case "sqlite" if url.database and url.database != ":memory:":
            return url
        case "postgresql" | "postgres":
            return url.set(drivername="postgresql+psycopg")
        case _:
            raise DatabaseUrlError


def database_hosts(url: URL) -> tuple[str, ...]:
    """The hosts that a database's URL names; its driver resolves them itself."""
    named = url.query.get("host", ())
    several = (named,) if isinstance(named, str) else named
    hosts = [host for text in (url.host or "", *several) for host in text.split(",")]
    return tuple(name for name in (host.partition(":")[0] for host in hosts) if name)


def with_password(url: URL, file: Path | None) -> URL:
    """The URL with the password that lies in `file`, for PostgreSQL and when it has none itself.

    Raises:
        DatabasePasswordError: it is needed and cannot be read.
    """
    if file is None or url.password is not None or url.get_backend_name() == "sqlite":
        return url
    try:
        password = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as cause:
        raise DatabasePasswordError(file) from cause
    if not password:
        raise DatabasePasswordError(file)
    return url.set(password=password)


def plain_engine(url: URL, **options: Any) -> Engine:
    """An engine without our transaction rules; makes the folder of an SQLite file, for us alone."""
    if url.get_backend_name() == "sqlite" and url.database:
        Path(url.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A failed statement's values would otherwise reach the log with its error.
    return create_engine(url, hide_parameters=True, **options)


class _LostRaceError(DatabaseUnavailableError):
    """Another writer was faster; the same work may succeed now."""


class Db:
    """Runs units of work, plain functions of a session, each in a transaction of its own.

    A writer sees what it read unchanged until it commits: SQLite has one writer at a time, and on
    PostgreSQL writers are serializable. There a unit of work that lost a race is run again, so it
    must do nothing but read and write through its session.
    """

    def __init__(self, url: URL, *, threads: int = 4) -> None:
        self.engine = plain_engine(url, pool_size=threads, max_overflow=0, pool_pre_ping=True)
        self._limiter = anyio.CapacityLimiter(threads)
        self._watchers: list[Callable[[], None]] = []
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
            self._writer = self.engine
            self._reader = self.engine.execution_options(read_only=True)
        else:
            self._writer = self.engine.execution_options(isolation_level="SERIALIZABLE")
            self._reader = self.engine.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )

    def watch(self, tell: Callable[[], None]) -> Callable[[], None]:
        """Calls `tell`, in any thread, after each commit here that others wait for.

        The result ends that. What another process commits has to be looked for.
        """
        self._watchers.append(tell)
        return lambda: self._watchers.remove(tell)

    async def write(self, work: Work[T]) -> T:
        """Runs `work` in a thread and commits what it wrote."""
        return await anyio.to_thread.run_sync(self.write_blocking, work, limiter=self._limiter)

    async def read(self, work: Work[T]) -> T:
        """Runs `work` in a thread, on one unchanging view of the data."""
        return await anyio.to_thread.run_sync(self.read_blocking, work, limiter=self._limiter)

    def write_blocking(self, work: Work[T]) -> T:
        """`write` for who has no event loop.

        Raises:
            DatabaseUnavailableError: it cannot be reached, or another writer takes too long.
        """
        for attempt in range(1, MAX_TRIES):
            try:
                return self._run(work, self._writer)
            except _LostRaceError:
                # Spread those who collided, or they collide again.
                time.sleep(random.uniform(0, 0.002 * attempt))  # noqa: S311  # no secret
        return self._run(work, self._writer)

    def read_blocking(self, work: Work[T]) -> T:
        """`read` for who has no event loop.

        Raises:
            DatabaseUnavailableError: it cannot be reached.
        """
        return self._run(work, self._reader)

    def _run(self, work: Work[T], engine: Engine) -> T:
        try:
            with Session(engine, expire_on_commit=False) as session:
                result = work(session)
                if engine is self._writer:
                    session.commit()
        except DBAPIError as cause:
            if getattr(cause.orig, "sqlstate", None) in RETRIED_STATES:
                raise _LostRaceError from cause
            if isinstance(cause, OperationalError | InterfaceError):
                raise DatabaseUnavailableError from cause
            raise
        except PoolTimeoutError as cause:
            raise DatabaseUnavailableError from cause
        if session.info.get(PUBLISHED):
            for tell in tuple(self._watchers):
                tell()
        return result

    def close(self) -> None:
        """Closes all connections."""
        self.engine.dispose()


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # Python's driver opens a transaction only at the first write, so what was read before it may
    # have changed meanwhile; we send BEGIN ourselves.
    connection.isolation_level = None
    for pragma in SQLITE_PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Any) -> None:
    read_only = connection.get_execution_options().get("read_only", False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
