from datetime import timedelta
from pathlib import Path

import pytest

from install.backup import schedule
from install.backup.errors import BackupError
from install.backup.making import Made
from install.backup.schedule import Schedule
from install.errors import SettingError
from install.places import Places
from tests.install.backup.conftest import NOW, SECRET


@pytest.fixture
def told(home: Places, tmp_path: Path) -> Schedule:
    file = tmp_path / "passphrase"
    file.write_bytes(SECRET)
    file.chmod(0o600)
    made = Schedule(every_s=3600, keep=2, to=str(tmp_path / "kept"), passphrase_file=str(file))
    schedule.write(home, made)
    return made


def test_times_have_a_unit() -> None:
    assert schedule.every("24h") == timedelta(days=1)
    assert schedule.every("5m") == timedelta(minutes=5)
    for text in ("24", "4m", "0h", "1w", "-1h", ""):
        with pytest.raises(SettingError, match="--every"):
            schedule.every(text)


def test_a_backup_is_made_when_it_is_due_and_the_oldest_goes(home: Places, told: Schedule) -> None:
    lines = [schedule.look(home, now=NOW + timedelta(minutes=30 * n)) for n in range(6)]
    assert [bool(line) for line in lines] == [True, False] * 3
    assert "1 older removed" in lines[4]
    assert len(list(Path(told.to).iterdir())) == 2


def test_a_failure_is_remembered_and_tried_again(home: Places, told: Schedule) -> None:
    passphrase = Path(told.passphrase_file)
    passphrase.chmod(0o644)
    assert "chmod 600" in schedule.look(home, now=NOW)
    after = schedule.read(home)
    assert after is not None
    assert after.failed is not None
    assert schedule.due_at(after) == NOW + timedelta(hours=1)
    assert schedule.look(home, now=NOW + timedelta(minutes=59)) == ""
    passphrase.chmod(0o600)
    assert "backup made" in schedule.look(home, now=NOW + timedelta(hours=1))


def test_a_clock_that_was_set_back_does_not_keep_it_waiting(home: Places, told: Schedule) -> None:
    schedule.look(home, now=NOW + timedelta(days=400))
    assert "backup made" in schedule.look(home, now=NOW)
    assert told.failed is None


def test_nothing_is_done_that_nobody_told(home: Places) -> None:
    assert schedule.look(home, now=NOW) == ""
    assert not schedule.switch_off(home)
    home.backup_schedule.write_text("{")
    assert "cannot be read" in schedule.look(home, now=NOW)
    assert schedule.switch_off(home)


def test_a_home_without_room_is_said_and_not_tried_each_minute(
    home: Places, told: Schedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_places: Places, _told: Schedule) -> None:
        raise OSError(28, "No space left on device")

    assert told.tried_at is None
    unwritten = schedule.Unwritten()
    with monkeypatch.context() as patch:
        patch.setattr(schedule, "write", full)
        line = schedule.look(home, now=NOW, unwritten=unwritten)
        assert "backup made" in line
        assert "could not be written down: [Errno 28] No space left" in line
        soon = NOW + timedelta(minutes=59)
        assert schedule.look(home, now=soon, unwritten=unwritten) == ""
    then = NOW + timedelta(hours=1)
    assert "older removed" in schedule.look(home, now=then, unwritten=unwritten)
    after = schedule.read(home)
    assert after is not None
    assert schedule.due_at(after) == then + timedelta(hours=1)
    assert unwritten.tried_at is None


def test_a_schedule_that_is_damaged_meanwhile_is_said(home: Places, told: Schedule) -> None:
    def damage(places: Places, *_: object, **__: object) -> Made:
        places.backup_schedule.write_text("{")
        sentence = "No backup."
        raise BackupError(sentence)

    assert told.keep == 2
    assert "cannot be read" in schedule.look(home, now=NOW, make=damage)
