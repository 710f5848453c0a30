from pathlib import Path

import pytest

from install.backup import databases
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
    with pytest.raises(BackupError, match="no answer"):
        databases.known_generation(home, Config())
