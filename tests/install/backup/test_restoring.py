import os
from collections.abc import Callable
from pathlib import Path

import pytest

from install import locking
from install.backup import exchange, restoring
from install.backup.errors import (
    BackupDamagedError,
    BackupUnfitError,
    PassphraseWrongError,
    RestoreFailedError,
)
from install.backup.restoring import Restore, Restored
from install.config import Config, load, save
from install.places import Places
from tests.fakes import kept_appliance
from tests.install.backup.conftest import SECRET, fill, mark_of

Make = Callable[..., Path]


class KilledError(BaseException):
    """As if the process were gone: nobody catches it."""


def _restore(
    places: Places, path: Path, secret: bytes = SECRET, passed: Callable[[str], None] | None = None
) -> Restored:
    lock = locking.take(places)
    try:
        return Restore(places=places, lock=lock, passed=passed or (lambda _step: None)).run(
            path, secret
        )
    finally:
        os.close(lock)


@pytest.fixture
def file(home: Places, backup: Make) -> Path:
    """A backup that says `old`, of a home that says `new` by now."""
    path = backup()
    fill(home, "new")
    return path


def test_everything_is_as_it_was_backed_up(home: Places, file: Path) -> None:
    done = _restore(home, file)
    assert (done.answer, done.as_dict()["database"]) == ("hello", {"epoch": 2})
    assert mark_of(home) == "old"
    assert (home.home / "calls").read_text().split() == ["down", "up"]
    assert not exchange.folder_of(home).exists()


def test_how_services_are_run_is_the_machine_s_own(home: Places, file: Path) -> None:
    save(home.config, Config(family="new", containers=True))
    with pytest.raises(BackupUnfitError, match="install it the other way"):
        _restore(home, file)
    assert (load(home.config) or Config()).containers


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_backup_changes_nothing(home: Places, file: Path, damage: str) -> None:
    content = file.read_bytes()
    bad = content[:-20] if damage == "cut" else content[:-9] + b"x" + content[-8:]
    file.write_bytes(bad)
    with pytest.raises(BackupDamagedError):
        _restore(home, file)
    assert mark_of(home) == "new"
    assert not (home.home / "calls").exists()
    assert not exchange.folder_of(home).exists()


def test_another_passphrase_changes_nothing(home: Places, file: Path) -> None:
    with pytest.raises(PassphraseWrongError):
        _restore(home, file, b"another passphrase")
    assert mark_of(home) == "new"


def test_a_newer_release_s_backup_is_refused(home: Places, backup: Make) -> None:
    database = home.home / "instance" / "casemate.db"
    kept_appliance.make_database(database, "old", generation=kept_appliance.GENERATION + 1)
    path = backup()
    fill(home, "new")
    with pytest.raises(BackupUnfitError, match="newer release"):
        _restore(home, path)
    assert mark_of(home) == "new"


def test_what_does_not_come_up_is_taken_back(home: Places, backup: Make) -> None:
    (home.home / "keys" / "master.key").write_text("bad")
    path = backup()
    fill(home, "new")
    with pytest.raises(RestoreFailedError, match=r"does not come up[^$]*runs again"):
        _restore(home, path)
    assert mark_of(home) == "new"
    assert (home.home / "calls").read_text().split() == ["down", "up", "down", "up"]
    assert not exchange.folder_of(home).exists()


def test_receipts_and_trust_of_here_stay(home: Places, backup: Make) -> None:
    home.trust.write_text("old")
    path = backup()
    fill(home, "new")
    home.trust.write_text("new")
    home.receipts.mkdir()
    (home.receipts / "0001-apply.json").write_text("{}")
    (home.home / "keys" / "receipts.pem").write_text("of here")
    _restore(home, path)
    assert home.trust.read_text() == "new"
    assert (home.home / "keys" / "receipts.pem").read_text() == "of here"
    assert (home.receipts / "0001-apply.json").exists()


def test_an_empty_home_gets_all_of_it(home: Places, file: Path) -> None:
    for name in ("keys", "credentials", "gateway", "instance"):
        (home.home / name).rename(home.home / f"gone-{name}")
    home.config.unlink()
    _restore(home, file)
    assert mark_of(home) == "old"


def _steps(home: Places, path: Path) -> list[str]:
    steps: list[str] = []
    _restore(home, path, passed=steps.append)
    return steps


def _killed_at(step: str) -> Callable[[str], None]:
    def passed(reached: str) -> None:
        if reached == step:
            raise KilledError

    return passed


STEPS = (
    exchange.MOVING,
    *(
        f"{item} {way}"
        for item in ("keys", "credentials", "gateway", "model_server/api_key", "config.json")
        for way in ("away", "here")
    ),
    exchange.MOVED,
    exchange.PLACED,
)


def test_the_steps_are_those_that_are_tested(home: Places, file: Path) -> None:
    assert tuple(_steps(home, file)) == STEPS


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_any_step_leaves_old_or_new(home: Places, file: Path, step: str) -> None:
    with pytest.raises(KilledError):
        _restore(home, file, passed=_killed_at(step))
    assert restoring.mend_before_up(home, has_lock=False) is not None
    assert mark_of(home) == ("old" if step == exchange.PLACED else "new")
    assert not exchange.folder_of(home).exists()
    assert restoring.mend_before_up(home, has_lock=False) is None


def test_another_restore_goes_on_after_a_kill(home: Places, file: Path) -> None:
    with pytest.raises(KilledError):
        _restore(home, file, passed=_killed_at("gateway away"))
    _restore(home, file)
    assert mark_of(home) == "old"


def test_a_kill_while_mending_is_mended(
    home: Places, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KilledError):
        _restore(home, file, passed=_killed_at(exchange.MOVED))

    def killed(*_rest: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(exchange, "forget", killed)
        with pytest.raises(KilledError):
            restoring.mend(home)
    restoring.mend(home)
    assert mark_of(home) == "new"


def test_what_a_restore_itself_starts_leaves_it_open(home: Places, file: Path) -> None:
    with pytest.raises(KilledError):
        _restore(home, file, passed=_killed_at(exchange.PLACED))
    assert restoring.mend_before_up(home, has_lock=True) is None
    assert exchange.read(home) is not None


def test_a_kill_while_a_failed_restore_is_taken_back_is_mended(
    home: Places, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KilledError):
        _restore(home, file, passed=_killed_at(exchange.PLACED))

    def killed(_places: Places) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(restoring, "_put_database_back", killed)
        with pytest.raises(KilledError):
            restoring.mend(home, undo=True)
    assert restoring.mend_before_up(home, has_lock=False) is not None
    assert mark_of(home) == "new"
