"""The database as one file and back, by the instance's own program, wherever it runs."""

import json
import os
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from install import services
from install.backup.errors import BackupDamagedError, BackupError
from install.config import Config
from install.places import Places
from install.services import INSTANCE

LONGEST = 600
APPLIANCE = ("-P", "-m", "appliance")
STREAM = "-"
# Exit codes from here on, and those below zero, are a signal's.
BY_SIGNAL = 128


class UnclearError(BackupError):
    """The database's program did not say what it did: it was ended, or its answer is none."""

    code = "database_unclear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Whose a snapshot is, and the form that it has; None each where it has none."""

    instance_id: str | None
    generation: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Generations:
    """The newest form that the program here knows; its database's, None where none can be read."""

    known: int
    found: int | None


def snapshot(places: Places, settings: Config, file: Path) -> Facts:
    """Writes everything the database holds into a new file, while it is worked with.

    Raises:
        BackupError: it cannot be read.
    """
    keep(places, settings, file)
    return facts_of(file)


def keep(places: Places, settings: Config, file: Path) -> None:
    """The same for `put_back`, so whatever the database holds.

    Raises:
        BackupError: it cannot be read, or there is no room.
    """
    handle = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as out:
        _run(places, settings, ["database", "snapshot", STREAM], out=out)
        os.fsync(out.fileno())


def facts_of(file: Path) -> Facts:
    """What a snapshot says of itself.

    Raises:
        BackupDamagedError: it is none.
    """
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as found:
            identity = found.execute("SELECT instance_id FROM instance_identity").fetchone()
            form = found.execute("SELECT max(generation) FROM schema_generations").fetchone()
    except sqlite3.Error as cause:
        raise BackupDamagedError(file, "it holds no database") from cause
    return Facts(
        instance_id=str(identity[0]) if identity else None, generation=form[0] if form else None
    )


def restore(places: Places, settings: Config, file: Path) -> dict[str, Any]:
    """Puts a snapshot in the place of what the database holds; the services do not run.

    Raises:
        UnclearError: it may be done or not.
        BackupError: nothing was changed.
    """
    with file.open("rb") as source:
        return _json(_run(places, settings, ["database", "restore", STREAM], source=source))


def put_back(places: Places, settings: Config, file: Path) -> None:
    """Makes the database again what `keep` found in it; the services do not run.

    Raises:
        BackupError: it cannot be done.
    """
    words = ["database", "restore", "--as-it-was", STREAM]
    with file.open("rb") as source:
        _run(places, settings, words, source=source)


def is_lost(places: Places, settings: Config) -> bool:
    """Whether there is no database, or none that can be read.

    Raises:
        BackupError: it cannot be told.
    """
    found = _json(_run(places, settings, ["database", "check"], well=(0, 1)))
    return bool(found.get("lost"))


def make_reachable(places: Places, settings: Config) -> bool:
    """Starts the database's own service, where it has one; whether it did not run.

    Raises:
        InstallError: it cannot be started.
    """
    if not settings.containers:
        return False
    from install.containers import operating

    return operating.start_database(places, settings)


def restore_beside(places: Places, scratch: Places, file: Path) -> dict[str, Any]:
    """The same into the SQLite database of a home for a trial, with the program in use.

    Raises:
        BackupError: it cannot be done.
    """
    environment = {
        **services.base_environment(os.environ),
        "CASEMATE_HOME": str(scratch.home),
        "PYTHONSAFEPATH": "1",
    }
    python = str(places.services / "bin" / "python")
    return _json(_done([python, *APPLIANCE, "database", "restore", str(file)], environment))


def generations(places: Places, settings: Config) -> Generations:
    """The forms of program and database here.

    Raises:
        BackupError: the program cannot be asked, or the database does not answer.
    """
    found = _json(_run(places, settings, ["database", "generation"]))
    return Generations(known=int(found["generation"]), found=found["database"])


def record(places: Places, settings: Config, event: str, *, facts: dict[str, Any]) -> None:
    """Adds what was done to the audit log.

    Raises:
        BackupError: it cannot be added.
    """
    with _held(json.dumps(facts).encode()) as source:
        _run(places, settings, ["audit", "record", event], source=source)


def _held(text: bytes) -> IO[bytes]:
    read, write = os.pipe()
    # Short: a pipe takes it in at once.
    os.write(write, text)
    os.close(write)
    return os.fdopen(read, "rb")


def _run(
    places: Places,
    settings: Config,
    words: Sequence[str],
    *,
    source: IO[bytes] | None = None,
    out: IO[bytes] | None = None,
    well: tuple[int, ...] = (0,),
) -> bytes:
    if settings.containers:
        command, environment = _in_a_container(places, settings, words)
    else:
        command = [str(places.services / "bin" / "python"), "-P", "-m", "install.local_work"]
        command = [*command, *words]
        environment = {**os.environ, "CASEMATE_HOME": str(places.home), "PYTHONSAFEPATH": "1"}
    return _done(command, environment, source=source, out=out, well=well)


def _in_a_container(
    places: Places, settings: Config, words: Sequence[str]
) -> tuple[list[str], dict[str, str]]:
    from install.containers import engine as engines
    from install.containers import project
    from install.containers.moment import Moment

    image = project.image_of(places, INSTANCE)
    engine = engines.find(os.environ)
    moment = Moment(places=places, config=settings, engine=engine, image=image)
    return moment.command(words), moment.environment()


def _done(
    command: Sequence[str],
    environment: dict[str, str],
    *,
    source: IO[bytes] | None = None,
    out: IO[bytes] | None = None,
    well: tuple[int, ...] = (0,),
) -> bytes:
    done = subprocess.run(
        command,
        env=environment,
        stdin=source or subprocess.DEVNULL,
        stdout=out or subprocess.PIPE,
        stderr=subprocess.PIPE,
        check=False,
    )
    if done.returncode not in well:
        said = " ".join(done.stderr.decode("utf-8", "replace").split())[-LONGEST:]
        kind = BackupError if 0 <= done.returncode < BY_SIGNAL else UnclearError
        raise kind(said or f"The database's program ended with {done.returncode}.")
    return done.stdout or b""


def _json(said: bytes) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(said.splitlines()[-1])
    except (ValueError, IndexError) as cause:
        sentence = "The database's program gave no answer that can be read."
        raise UnclearError(sentence) from cause
    return found
