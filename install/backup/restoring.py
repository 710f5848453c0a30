"""Puts a backup in the place of what is here; until the restored one is ready, that is kept."""

import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from install import config, locking
from install.backup import databases, exchange, making, parts
from install.backup.errors import BackupError, BackupUnfitError, RestoreFailedError
from install.backup.exchange import MOVED, MOVING, PLACED, RestoreUndecidedError, State
from install.backup.parts import Unpacked
from install.config import Config
from install.errors import InstallError, InterruptError
from install.places import Places
from install.slots.program import Program

Say = Callable[[str], None]
OWN = ("containers", "systemd")
OWN_HANDED_ON = ("CASEMATE_DATABASE_URL", "CASEMATE_POSTGRES_IMAGE")
RECEIPTS_KEY = Path("keys") / "receipts.pem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a restore came to: what the backup says of itself, of the database, and of `up`."""

    facts: dict[str, Any]
    database: dict[str, Any]
    answer: str

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore:
    """One restore, under the home's lock; `passed` hears each step once it is done."""

    places: Places
    lock: int
    say: Say = lambda _line: None
    passed: exchange.Pass = lambda _step: None

    def run(self, path: Path, passphrase: bytes) -> Restored:
        """Does all of it.

        Raises:
            BackupDamagedError, PassphraseWrongError, BackupUnfitError: nothing was changed.
            BackupError: a backup is being made right now, or the database here cannot be asked.
            RestoreFailedError: what was before is back.
        """
        # One that is made meanwhile would hold files of here with the database of there.
        with making.alone(self.places):
            return self._run(path, passphrase)

    def _run(self, path: Path, passphrase: bytes) -> Restored:
        mend(self.places)
        before = config.load(self.places.config)
        here = before or Config()
        work = exchange.folder_of(self.places)
        shutil.rmtree(work, ignore_errors=True)
        was_down = False
        try:
            self.say("reading the backup")
            unpacked = parts.unpack(path, passphrase, work / exchange.UNPACKED)
            parts.check_kind(unpacked, containers=here.containers)
            was_down = databases.make_reachable(self.places, here)
            self._check_forms(unpacked, here)
            settings = self._prepare(unpacked, before)
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            if was_down:
                self.program.down()
            raise
        return self._exchange(unpacked, before, settings)

    @property
    def program(self) -> Program:
        """The program in use, which alone starts and stops the services."""
        folder = self.places.slot
        return Program(places=self.places, folder=folder, lock=self.lock, began=time.time())

    def _check_forms(self, unpacked: Unpacked, here: Config) -> None:
        found = databases.facts_of(unpacked.snapshot).generation
        own = databases.generations(self.places, here)
        if found is not None and found > own.known:
            sentence = (
                f"The database in the backup has the shape of a newer release (generation {found}, "
                f"this one knows {own.known}). Apply that release's bundle, restore, then go back "
                "with `casemate bundle rollback` if need be."
            )
            raise BackupUnfitError(sentence)
        if own.found is not None and own.found > own.known:
            sentence = (
                f"The database here has the shape of a newer release (generation {own.found}, this "
                f"one knows {own.known}), as after `casemate bundle rollback`. Apply that "
                "release's bundle, then restore. Nothing was changed."
            )
            raise BackupUnfitError(sentence)

    def _prepare(self, unpacked: Unpacked, before: Config | None) -> Config:
        """Adds to the unpacked files what of this home stays; the settings to go on with."""
        files, home = unpacked.files, self.places.home
        settings = config.load(files / "config.json") or before or Config()
        if before is not None:
            # How the services are kept running is this machine's own.
            kept = {name: getattr(before, name) for name in OWN if hasattr(before, name)}
            settings = replace(settings, **kept)
        settings = self._with_own_database(settings, before or Config())
        config.save(files / "config.json", settings)
        has_receipts = any(self.places.receipts.glob("*.json"))
        if has_receipts and (home / RECEIPTS_KEY).exists():
            # They are signed with the key of here.
            (files / RECEIPTS_KEY).parent.mkdir(mode=0o700, exist_ok=True)
            shutil.copy2(home / RECEIPTS_KEY, files / RECEIPTS_KEY)
            shutil.rmtree(files / "receipts", ignore_errors=True)
        return settings

    def _with_own_database(self, settings: Config, here: Config) -> Config:
        """Another machine may be at work on the backup's, so nothing is put into that one."""
        told, own = settings.handed_on, here.handed_on
        if told.get(OWN_HANDED_ON[0]) != own.get(OWN_HANDED_ON[0]):
            self.say(
                "the backup is of another database; it goes into the one that is set up here "
                "(`casemate up` with CASEMATE_DATABASE_URL sets up another)"
            )
        kept = {name: value for name, value in told.items() if name not in OWN_HANDED_ON}
        kept |= {name: own[name] for name in OWN_HANDED_ON if name in own}
        return replace(settings, handed_on=kept)

    def _exchange(self, unpacked: Unpacked, before: Config | None, settings: Config) -> Restored:
        was_up = before is not None
        try:
            self._stop(before)
            self._keep_database(before or Config())
            state = self._move_files(unpacked, settings)
            self.say("restoring the database")
            database = self._restore_database(unpacked, settings, state)
            exchange.advance(self.places, state, PLACED, passed=self.passed)
            told = self.program.up(say=self.say)
        except (InstallError, InterruptError, OSError) as cause:
            sentence = cause.sentence if isinstance(cause, InstallError) else str(cause)
            self.say("putting back what was before")
            raise self._back(sentence or "Interrupted.", was_up=was_up) from cause
        exchange.forget(self.places)
        return Restored(
            facts=dict(unpacked.facts), database=database, answer=str(told.get("answer", ""))
        )

    def _stop(self, before: Config | None) -> None:
        if before is not None:
            self.say("stopping the services")
            self.program.down()

    def _keep_database(self, here: Config) -> None:
        """A damaged database is kept by who replaces it, under another name."""
        databases.make_reachable(self.places, here)
        kept = exchange.folder_of(self.places) / exchange.BEFORE_DATABASE
        try:
            databases.keep(self.places, here, kept)
        except BackupError:
            kept.unlink(missing_ok=True)
            if not databases.is_lost(self.places, here):
                raise
            self.say("there is no database here that can be read, so none is kept to go back to")

    def _restore_database(
        self, unpacked: Unpacked, settings: Config, state: State
    ) -> dict[str, Any]:
        try:
            return databases.restore(self.places, settings, unpacked.snapshot)
        except databases.UnclearError:
            raise
        except BackupError:
            # It is as it was, so only the files are put back; noting that takes some room.
            unpacked.snapshot.unlink()
            exchange.advance(self.places, state, MOVING, passed=self.passed)
            raise

    def _move_files(self, unpacked: Unpacked, settings: Config) -> State:
        items = parts.items(containers=settings.containers)
        missing = [
            each
            for each in parts.FILLING
            if not (self.places.home / each).exists() and (unpacked.files / each).exists()
        ]
        return exchange.begin(self.places, (*items, *missing), passed=self.passed)

    def _back(self, sentence: str, *, was_up: bool) -> RestoreFailedError:
        try:
            # Before anything was moved there is nothing to put back, and a master key to remove.
            if exchange.read(self.places) is not None:
                if self.places.config.exists():
                    self.program.down()
                mend(self.places, undo=True)
            exchange.forget(self.places)
            if was_up:
                self.program.up(say=self.say)
        except InstallError as then:
            return RestoreFailedError(
                sentence, f"What was before did not start again either: {then.sentence}"
            )
        return RestoreFailedError(
            sentence,
            "What was before runs again." if was_up else "Everything is as it was before.",
        )


def mend(places: Places, *, undo: bool = False) -> str | None:
    """Decides a restore that was cut: back to what was before, or done; says which.

    One whose files and database are both in place stays, unless `undo`. The services do not run.

    Raises:
        RestoreUndecidedError: what was before cannot be put back.
    """
    state = exchange.read(places)
    if state is None:
        return None
    if state.step == PLACED:
        if not undo:
            exchange.forget(places)
            return "A restore that was cut is in place."
        # From here on a kill must not let it pass for one that is in place.
        state = exchange.advance(places, state, MOVED, passed=lambda _step: None)
    try:
        exchange.put_back(places, state)
        if state.step in {MOVED, PLACED}:
            _put_database_back(places)
    except (OSError, InstallError) as cause:
        raise RestoreUndecidedError(exchange.folder_of(places), str(cause)) from cause
    exchange.forget(places)
    return "A restore that was cut was taken back; everything is as it was before."


def mend_before_up(places: Places, *, has_lock: bool) -> str | None:
    """`mend` for who is about to start the services; not what a restore itself starts.

    Raises:
        InstallError: it cannot be decided, or somebody is at work here.
    """
    state = exchange.read(places)
    if state is None or (has_lock and state.step == PLACED):
        return None
    if has_lock:
        return mend(places)
    with locking.held(places):
        return mend(places)


def _put_database_back(places: Places) -> None:
    kept = exchange.folder_of(places) / exchange.BEFORE_DATABASE
    if kept.exists():
        # What is no more needed makes room.
        (exchange.folder_of(places) / exchange.UNPACKED / parts.SNAPSHOT).unlink(missing_ok=True)
        settings = config.load(places.config) or Config()
        databases.make_reachable(places, settings)
        databases.put_back(places, settings, kept)
