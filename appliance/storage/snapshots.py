"""Everything a database holds as one SQLite file, and such a file put in a database's place."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import NullPool

from appliance.errors import ApplianceError
from appliance.storage import copying, merging, rehearsal
from appliance.storage.engine import DatabaseUnavailableError, Session, database_url, plain_engine
from appliance.storage.generations import DatabaseTooNewError
from appliance.storage.migrations import (
    MIGRATION_LOCK,
    SCHEMA_GENERATION,
    ForeignKeysBrokenError,
    migrate,
)

AUDIT = frozenset({"audit_events", "audit_heads"})
# Which forms a database had is no content; migrating wrote its own.
OWN = frozenset({"schema_generations"})
DAMAGED = ".damaged"
# What SQLite keeps beside a file; with another file in its place, it would be taken for that one's.
BESIDE = ("-wal", "-shm", "-journal")
BUSY_MS = 20_000


class SnapshotUnreadableError(ApplianceError):
    """The file is no snapshot, or is damaged."""

    code = "snapshot_unreadable"

    def __init__(self) -> None:
        super().__init__("The file is no whole snapshot of a database. Nothing was changed.")


class SnapshotTooNewError(ApplianceError):
    """The snapshot was made by a newer release."""

    code = "snapshot_too_new"

    def __init__(self, found: int) -> None:
        super().__init__(
            f"The snapshot has form {found}; this release knows form {SCHEMA_GENERATION}. Install "
            "the release that made it, or a newer one. Nothing was changed."
        )


def take(url: URL, file: Path) -> int | None:
    """Writes a consistent snapshot while the database is worked with; the form that it has.

    Raises:
        NoRoomError: no room for it.
        DatabaseUnavailableError: there is no database, or it does not answer.
        DatabaseTooNewError: PostgreSQL, and a newer release's database; that one must copy it.
    """
    if not rehearsal.exists(url):
        raise DatabaseUnavailableError
    rehearsal.make_room(file.parent, rehearsal.size_of(url))
    file.touch(mode=0o600)
    if url.get_backend_name() == "sqlite":
        try:
            rehearsal.copy_file(Path(str(url.database)), file)
        except sqlite3.DatabaseError as cause:
            raise DatabaseUnavailableError from cause
    else:
        _take_from_server(url, file)
    return rehearsal.found_generation(_sqlite(file))


def _take_from_server(url: URL, file: Path) -> None:
    found = rehearsal.found_generation(url)
    if found is not None and found > SCHEMA_GENERATION:
        raise DatabaseTooNewError(found, SCHEMA_GENERATION)
    migrate(url)
    migrate(_sqlite(file))
    with rehearsal.connected(url) as server, _writing(_sqlite(file)) as copy:
        source = server.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        copying.copy_rows(source, copy, without=OWN)
        copying.raise_numbers(copy, copying.numbers_used(source))
    Path(f"{file}.lock").unlink(missing_ok=True)


def _sqlite(file: Path) -> URL:
    return database_url(f"sqlite:///{file.absolute()}")


@contextmanager
def restored(url: URL, file: Path) -> Iterator[tuple[Session, dict[str, Any]]]:
    """Puts a snapshot in the place of what `url` holds, all in one transaction with the block.

    Revoked credentials, blocked users, generations and dead keys of what was there before stay, if
    it was the same instance; so does its audit log if it goes on from the snapshot's. The block's
    session writes what belongs to the restore; the facts beside it say what was found.

    When it fails what was there before stays, though perhaps in this release's form.

    Raises:
        SnapshotUnreadableError, SnapshotTooNewError: before anything is changed.
        DatabaseTooNewError: the database is a newer release's.
        DatabaseUnavailableError: it does not answer, or not in time.
        NoRoomError: no room for working on a copy of the snapshot.
    """
    # Not where temporary files usually go, which may be in memory.
    is_sqlite = url.get_backend_name() == "sqlite"
    folder = Path(str(url.database)).parent if is_sqlite else file.absolute().parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".restore-") as work:
        copy = _checked_copy(file, Path(work))
        with _damaged_aside(url) as aside:
            _check_not_ahead(url)
            migrate(url)
            with rehearsal.connected(_sqlite(copy)) as snapshot, _writing(url) as target:
                facts = _replace(snapshot, target)
                facts["damaged"] = str(aside) if aside else None
                with Session(target) as session:
                    yield session, facts
                    session.flush()
                _check_whole(target)


def put_back(url: URL, file: Path) -> int | None:
    """Makes a database again what `take` found in it; nothing is checked, merged or migrated.

    Only the feed's epoch, which is returned, rises above that of what is replaced: gateways that
    have seen a higher one would refuse the feed for good. Nobody works with the database meanwhile.

    Raises:
        DatabaseUnavailableError: it does not answer.
    """
    if url.get_backend_name() == "sqlite":
        return _put_file_back(url, file)
    with rehearsal.connected(_sqlite(file)) as snapshot, _writing(url) as target:
        _lock(target)
        replaced = merging.epoch_of(target) or 0
        _copy_all(snapshot, target, without=OWN)
        return _raise_epoch(target, least=replaced)


def _put_file_back(url: URL, file: Path) -> int | None:
    path = Path(str(url.database))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    replaced = _epoch_there(url)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".restore-") as work:
        copy = Path(work) / path.name
        shutil.copyfile(file, copy)
        copy.chmod(0o600)
        try:
            with _writing(_sqlite(copy)) as connection:
                epoch = _raise_epoch(connection, least=replaced)
        except OperationalError:
            raise
        except DatabaseError:
            # One that was damaged comes back damaged.
            epoch = None
        _sync(copy)
        for suffix in BESIDE:
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        copy.replace(path)
        _sync(path.parent)
    return epoch


def _epoch_there(url: URL) -> int:
    if not rehearsal.exists(url):
        return 0
    try:
        with rehearsal.connected(url) as connection:
            return merging.epoch_of(connection) or 0
    except (DatabaseError, DatabaseUnavailableError):
        # Nothing that runs has shown it to a gateway.
        return 0


def _raise_epoch(connection: Connection, *, least: int) -> int | None:
    own = merging.epoch_of(connection)
    if own is None or own >= least:
        return own
    return merging.begin_epoch(connection, above=least)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _checked_copy(file: Path, folder: Path) -> Path:
    copy = folder / "snapshot.db"
    try:
        rehearsal.make_room(folder, file.stat().st_size * 2)
        rehearsal.copy_file(file, copy)
        found = rehearsal.found_generation(_sqlite(copy))
        if found is not None and found > SCHEMA_GENERATION:
            raise SnapshotTooNewError(found)
        with rehearsal.connected(_sqlite(copy)) as connection:
            _read_form(connection)
    except (OSError, sqlite3.DatabaseError, DatabaseError, DatabaseUnavailableError) as cause:
        raise SnapshotUnreadableError from cause
    if rehearsal.problems(_sqlite(copy)):
        raise SnapshotUnreadableError
    migrate(_sqlite(copy))
    return copy


def _read_form(connection: Connection) -> None:
    # What Alembic knows nothing of would be filled as a new database.
    connection.exec_driver_sql("SELECT version_num FROM alembic_version").one()


def readable_generation(url: URL) -> int | None:
    """The form of a database as it lies there; None where none can be read, as in a damaged one.

    Raises:
        DatabaseUnavailableError: it does not answer, or not in time.
    """
    try:
        return rehearsal.found_generation(url)
    except OperationalError as cause:
        raise DatabaseUnavailableError from cause
    except DatabaseError:
        return None


def is_lost(url: URL) -> bool:
    """Whether there is no database, or an SQLite file that cannot be read.

    Raises:
        DatabaseUnavailableError: it cannot be told now, as somebody else has it to himself.
    """
    if url.get_backend_name() != "sqlite":
        return False
    if not rehearsal.exists(url):
        return True
    try:
        with rehearsal.connected(url) as connection:
            return connection.exec_driver_sql("PRAGMA quick_check(1)").scalar() != "ok"
    except OperationalError as cause:
        raise DatabaseUnavailableError from cause
    except DatabaseError:
        return True


@contextmanager
def _damaged_aside(url: URL) -> Iterator[Path | None]:
    """Moves an SQLite file that cannot be read out of the way, for whoever wants to mend it.

    Where the block fails it is back.
    """
    if not rehearsal.exists(url) or not is_lost(url):
        yield None
        return
    path = Path(str(url.database))
    aside = path.with_name(f"{path.name}{DAMAGED}")
    _move_file(path, aside)
    try:
        yield aside
    except BaseException:
        _move_file(aside, path)
        raise


def _move_file(source: Path, target: Path) -> None:
    for suffix in (*BESIDE, ""):
        found = Path(f"{source}{suffix}")
        if found.exists():
            found.replace(f"{target}{suffix}")
        else:
            Path(f"{target}{suffix}").unlink(missing_ok=True)


def _check_not_ahead(url: URL) -> None:
    found = rehearsal.found_generation(url)
    if found is not None and found > SCHEMA_GENERATION:
        raise DatabaseTooNewError(found, SCHEMA_GENERATION)


@contextmanager
def _writing(url: URL) -> Iterator[Connection]:
    """One transaction that is alone from its beginning on."""
    engine = plain_engine(url, poolclass=NullPool)
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", lambda found: found.exec_driver_sql("BEGIN IMMEDIATE"))
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def _prepare(connection: Any, _record: object) -> None:
    # As in the engine, but foreign keys are looked at when all rows are there.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    connection.execute("PRAGMA synchronous=FULL")


def _lock(target: Connection) -> None:
    if target.dialect.name != "sqlite":
        lock = text("SELECT pg_advisory_xact_lock(:lock)")
        target.execute(lock, {"lock": MIGRATION_LOCK})


def _copy_all(snapshot: Connection, target: Connection, *, without: frozenset[str]) -> int:
    numbers = (copying.numbers_used(target), copying.numbers_used(snapshot))
    with copying.emptied(target, without=without):
        rows = copying.copy_rows(snapshot, target, without=without)
    for used in numbers:
        copying.raise_numbers(target, used)
    return rows


def _replace(snapshot: Connection, target: Connection) -> dict[str, Any]:
    _lock(target)
    live, kept = merging.record_of(target), merging.record_of(snapshot)
    is_same = live.instance_id is not None and live.instance_id == kept.instance_id
    keeps_log = is_same and merging.extends(target, kept.audit_head)
    without = OWN | (AUDIT if keeps_log else frozenset())
    rows = _copy_all(snapshot, target, without=without)
    if is_same:
        merging.merge(target, live)
    epoch = merging.begin_epoch(target, above=live.feed_epoch)
    return {
        "rows": rows,
        "instance_id": kept.instance_id,
        "replaced": live.instance_id,
        "audit_log": "kept" if keeps_log else "from the snapshot",
        "epoch": epoch,
    }


def _check_whole(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        if broken:
            raise ForeignKeysBrokenError(sorted({row[0] for row in broken}))
