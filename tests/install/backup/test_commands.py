import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from install import cli
from install.backup import commands, schedule
from install.backup.errors import BackupError
from install.config import Config, save
from install.errors import NotInstalledError
from install.places import Places
from tests.install.backup.conftest import SECRET, fill, mark_of


@pytest.fixture
def passphrase(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.write_bytes(SECRET)
    path.chmod(0o600)
    return path


@pytest.fixture
def run(home: Places, passphrase: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    monkeypatch.setenv(commands.VARIABLE, str(passphrase))

    def invoke(*words: str) -> Result:
        return CliRunner().invoke(cli.app, list(words))

    yield invoke
    assert home.home.exists()


def test_a_backup_is_made_listed_and_restored(run: object, home: Places) -> None:
    assert callable(run)
    said = json.loads(run("backup", "--json").stdout)
    assert Path(said["file"]).parent == home.backups
    (listed,) = json.loads(run("backup", "list", "--json").stdout)
    assert listed["file"] == said["file"]
    assert said["file"] in run("backup", "list").stdout
    fill(home, "new")
    done = json.loads(run("restore", said["file"], "--json").stdout)
    assert done["answer"] == "hello"
    assert mark_of(home) == "old"


def test_it_says_what_else_is_needed(run: object, home: Places) -> None:
    assert callable(run)
    text = run("backup", "--to", str(home.home / "x.backup")).stdout
    assert "x.backup" in text
    assert "hello" in run("restore", str(home.home / "x.backup")).stdout


def test_what_is_done_by_the_clock_is_told_shown_and_ended(
    run: object, home: Places, passphrase: Path
) -> None:
    assert callable(run)
    assert "Nothing" in run("backup", "schedule", "show").stdout
    words = ("--every", "12h", "--keep", "3", "--passphrase-file", str(passphrase))
    assert "every 12h" in run("backup", "schedule", *words).stdout
    shown = json.loads(run("backup", "schedule", "show", "--json").stdout)
    assert (shown["every_s"], shown["keep"], shown["to"]) == (43200, 3, str(home.backups))
    assert "next soon" in run("backup", "schedule", "show").stdout
    assert run("backup", "schedule", "off").stdout == "off\n"
    assert json.loads(run("backup", "schedule", "show", "--json").stdout) == {"scheduled": False}


def test_the_machines_own_clock_makes_those_of_containers(
    run: object, home: Places, passphrase: Path
) -> None:
    assert callable(run)
    assert "Nothing is scheduled" in str(run("backup", "schedule", "run").exception)
    save(home.config, Config(containers=True))
    words = ("--every", "12h", "--keep", "1", "--passphrase-file", str(passphrase))
    said = run("backup", "schedule", *words).stdout
    assert "have this machine's clock run it:" in said
    assert "/services/bin/casemate backup schedule run --quiet" in said
    save(home.config, Config())
    assert run("backup", "schedule", "run", "--quiet").stdout == ""
    assert len(list(home.backups.glob("*.backup"))) == 1
    assert run("backup", "schedule", "run").stdout == "None is due yet.\n"
    passphrase.unlink()
    told = schedule.read(home)
    assert told is not None
    schedule.write(home, replace(told, tried_at="2020-01-01T00:00:00+00:00"))
    failed = run("backup", "schedule", "run", "--quiet")
    assert isinstance(failed.exception, BackupError)
    assert "passphrase" in str(failed.exception)
    assert "The last one failed" in run("backup", "schedule", "show").stderr


def test_a_trial_takes_the_newest_when_none_is_named(run: object) -> None:
    assert callable(run)
    found = run("backup", "--test")
    assert "There is no backup yet" in str(found.exception)


def test_a_home_without_a_program_restores_nothing(
    run: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(run)
    monkeypatch.setenv("CASEMATE_HOME", str(tmp_path / "mistyped"))
    found = run("restore", str(tmp_path / "x.backup"))
    assert isinstance(found.exception, NotInstalledError)
    assert not (tmp_path / "mistyped").exists()
