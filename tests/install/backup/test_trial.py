from collections.abc import Callable
from pathlib import Path

import pytest

from install.backup import making, trial
from install.backup.errors import BackupDamagedError, BackupError, BackupUnfitError
from install.config import Config
from install.errors import NotReadyError
from install.places import Places
from tests.install.backup.conftest import SECRET, fill, mark_of

Make = Callable[..., Path]


def test_a_trial_without_a_model_says_how_far_it_came(home: Places, backup: Make) -> None:
    path = backup()
    fill(home, "new")
    heard: list[str] = []
    with pytest.raises(NotReadyError, match="database restored well"):
        trial.run(home, Config(), path, passphrase=SECRET, say=heard.append)
    assert len(heard) == 2
    assert mark_of(home) == "new"
    assert not (home.trial).exists()


def test_what_is_installed_otherwise_takes_no_backup_of_processes(
    home: Places, backup: Make
) -> None:
    with pytest.raises(BackupUnfitError, match="containers are installed here"):
        trial.run(home, Config(containers=True), backup(), passphrase=SECRET)
    assert not home.trial.exists()


def test_a_damaged_one_fails_the_trial(home: Places, backup: Make) -> None:
    path = backup()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BackupDamagedError):
        trial.run(home, Config(), path, passphrase=SECRET)
    assert not (home.trial).exists()


def test_a_trial_and_a_backup_do_not_touch_each_other(home: Places, backup: Make) -> None:
    path = backup()
    with making.alone(home), pytest.raises(BackupError, match="right now"):
        trial.run(home, Config(), path, passphrase=SECRET)

    def meanwhile(_line: str) -> None:
        with pytest.raises(BackupError, match="right now"):
            backup()

    with pytest.raises(NotReadyError):
        trial.run(home, Config(), path, passphrase=SECRET, say=meanwhile)


def test_what_a_killed_trial_left_goes_with_the_next_backup(home: Places, backup: Make) -> None:
    left = home.trial / "keys" / "master.key"
    left.parent.mkdir(parents=True)
    left.write_text("key")
    backup()
    assert not left.exists()


def test_a_home_without_room_for_a_trial_is_said(
    home: Places, backup: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_places: Places) -> None:
        raise OSError(28, "No space left on device")

    path = backup()
    monkeypatch.setattr("install.backup.trial.make_folders", full)
    with pytest.raises(BackupError, match=r"could not be tried: .*No space left"):
        trial.run(home, Config(), path, passphrase=SECRET)
