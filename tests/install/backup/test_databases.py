from pathlib import Path

import pytest

from install.backup import databases
from install.backup.databases import Generations, UnclearError
from install.backup.errors import BackupDamagedError, BackupError
from install.config import Config
from install.places import Places
from tests.fakes import kept_appliance
from tests.install.backup.conftest import mark_of


def test_a_snapshot_says_whose_it_is(home: Places, tmp_path: Path) -> None:
    found = databases.snapshot(home, Config(), tmp_path / "s.db")
    assert (found.instance_id, found.generation) == ("12345678-aaaa", kept_appliance.GENERATION)
    assert (tmp_path / "s.db").stat().st_mode & 0o077 == 0
    assert databases.restore(home, Config(), tmp_path / "s.db") == {"epoch": 2}
    assert mark_of(home) == "old"


def test_what_is_no_snapshot_is_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    path.write_bytes(b"x" * 5000)
    with pytest.raises(BackupDamagedError, match="holds no database"):
        databases.facts_of(path)


def test_the_program_s_own_words_say_why_it_failed(home: Places, tmp_path: Path) -> None:
    (home.home / "instance" / "casemate.db").unlink()
    with pytest.raises(BackupError, match="FileNotFoundError"):
        databases.snapshot(home, Config(), tmp_path / "s.db")


def test_an_answer_that_is_none_is_an_error(home: Places) -> None:
    (home.services / "bin" / "python").write_text("#!/bin/sh\necho no json\n")
    with pytest.raises(UnclearError, match="no answer"):
        databases.generations(home, Config())


def test_a_damaged_database_has_no_form_and_is_lost(home: Places) -> None:
    assert databases.generations(home, Config()) == Generations(known=1, found=1)
    assert not databases.is_lost(home, Config())
    (home.home / "instance" / "casemate.db").write_bytes(b"x" * 5000)
    assert databases.generations(home, Config()) == Generations(known=1, found=None)
    assert databases.is_lost(home, Config())


@pytest.mark.parametrize(("code", "is_clear"), [(1, True), (2, True), (125, True), (137, False)])
def test_a_program_that_a_signal_ended_may_have_done_it(
    home: Places, tmp_path: Path, code: int, is_clear: bool
) -> None:
    databases.keep(home, Config(), tmp_path / "s.db")
    (home.home / "fails").write_text(f"restore {code}")
    with pytest.raises(BackupError, match="restore fails") as failed:
        databases.restore(home, Config(), tmp_path / "s.db")
    assert isinstance(failed.value, UnclearError) is not is_clear


def test_what_was_kept_is_put_back_as_it_was(home: Places, tmp_path: Path) -> None:
    database = home.home / "instance" / "casemate.db"
    databases.keep(home, Config(), tmp_path / "s.db")
    databases.restore(home, Config(), tmp_path / "s.db")
    assert kept_appliance.restores_of(database) == 1
    databases.put_back(home, Config(), tmp_path / "s.db")
    assert database.read_bytes() == (tmp_path / "s.db").read_bytes()


def test_processes_have_no_service_for_their_database(home: Places) -> None:
    assert not databases.make_reachable(home, Config())
