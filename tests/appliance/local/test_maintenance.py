import io
import json
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

import appliance.__main__ as program
from appliance.storage.engine import Db, database_url
from appliance.storage.migrations import SCHEMA_GENERATION
from tests.appliance.conftest import FilledHome


def test_the_commands_say_what_they_found_as_json(
    filled: FilledHome, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CASEMATE_HOME", str(filled.home))
    monkeypatch.setenv("CASEMATE_DATABASE_URL", filled.url)
    assert program.main(["database", "generation"]) == 0
    assert json.loads(capsys.readouterr().out)["database"] == SCHEMA_GENERATION
    assert program.main(["database", "rehearse"]) == 0
    assert json.loads(capsys.readouterr().out)["to"] == SCHEMA_GENERATION


def test_a_database_that_is_not_whole_is_exit_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASEMATE_HOME", str(tmp_path))
    monkeypatch.delenv("CASEMATE_DATABASE_URL", raising=False)
    assert program.main(["database", "check"]) == 1


def test_snapshots_go_through_standard_input_and_output(
    filled: FilledHome, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setenv("CASEMATE_HOME", str(filled.home))
    monkeypatch.setenv("CASEMATE_DATABASE_URL", filled.url)
    assert program.main(["database", "snapshot", "-"]) == 0
    content = capfdbinary.readouterr().out
    assert content.startswith(b"SQLite format 3")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert program.main(["database", "restore", "-"]) == 0
    assert json.loads(capfdbinary.readouterr().out)["epoch"] == 2
    assert not list((filled.home / "instance").glob(".*"))


def test_snapshots_are_files(
    filled: FilledHome, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CASEMATE_HOME", str(filled.home))
    monkeypatch.setenv("CASEMATE_DATABASE_URL", filled.url)
    file = str(filled.home / "snapshot.db")
    assert program.main(["database", "snapshot", file]) == 0
    assert program.main(["database", "restore", file]) == 0
    assert '"epoch": 2' in capsys.readouterr().out


ROWS = (
    "SELECT username, state FROM users ORDER BY id",
    "SELECT * FROM personal_access_tokens ORDER BY id",
    "SELECT * FROM signing_keys ORDER BY kid",
    "SELECT * FROM grant_eras",
    "SELECT * FROM audit_events ORDER BY sequence",
)


def _rows(filled: FilledHome, *queries: str) -> list[list[object]]:
    with closing(Db(database_url(filled.url))) as db:
        return db.read_blocking(
            lambda session: [list(map(tuple, session.execute(text(each)))) for each in queries]
        )


def test_a_restore_is_taken_back_as_it_was(
    filled: FilledHome, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CASEMATE_HOME", str(filled.home))
    monkeypatch.setenv("CASEMATE_DATABASE_URL", filled.url)
    backup, kept = str(filled.home / "backup.db"), str(filled.home / "kept.db")

    def run(*words: str) -> None:
        assert program.main(words) == 0

    run("users", "create", "ada")
    run("users", "block", "ada")
    run("database", "snapshot", backup)
    run("users", "unblock", "ada")
    run("users", "token", "ada")
    before = _rows(filled, *ROWS)
    run("database", "snapshot", kept)
    run("database", "restore", backup)
    restored = json.loads(capsys.readouterr().out.splitlines()[-1])
    run("database", "restore", "--as-it-was", kept)
    assert json.loads(capsys.readouterr().out)["epoch"] == restored["epoch"] + 1
    assert _rows(filled, *ROWS) == before
    assert ("ada", "active") in before[0]
