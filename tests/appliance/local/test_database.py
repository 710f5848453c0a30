import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from appliance.local import database
from appliance.local.database import AuditBrokenError
from appliance.settings import Settings
from appliance.storage.engine import DatabaseUnavailableError, Db, database_url
from appliance.storage.generations import DatabaseTooNewError
from appliance.storage.migrations import SCHEMA_GENERATION
from tests.appliance.conftest import FilledHome


def _run(filled: FilledHome, statement: str) -> None:
    with closing(Db(database_url(filled.url))) as db:
        db.write_blocking(lambda session: session.execute(text(statement)))


def _claim(filled: FilledHome, generation: int) -> None:
    columns = "generation, release, at"
    found = f"SELECT {generation}, release, at FROM schema_generations"  # noqa: S608  # a number
    _run(filled, f"INSERT INTO schema_generations ({columns}) {found}")


def test_a_filled_database_has_the_generation_of_the_code(filled: FilledHome) -> None:
    said = database.generation(filled.settings())
    assert said == {"generation": SCHEMA_GENERATION, "database": SCHEMA_GENERATION}


def test_a_rehearsal_says_what_it_did_and_leaves_nothing(filled: FilledHome) -> None:
    said = database.rehearse(filled.settings())
    assert (said["from"], said["to"]) == (SCHEMA_GENERATION, SCHEMA_GENERATION)


def test_a_rehearsal_migrates_a_copy_and_not_the_database(filled: FilledHome) -> None:
    _run(filled, "DROP TABLE schema_generations")
    _run(filled, "UPDATE alembic_version SET version_num = '0008'")
    said = database.rehearse(filled.settings())
    assert (said["from"], said["to"]) == (None, SCHEMA_GENERATION)
    assert database.generation(filled.settings())["database"] is None


def test_the_next_release_s_database_is_used_as_it_is(filled: FilledHome) -> None:
    _claim(filled, SCHEMA_GENERATION + 1)
    _run(filled, "UPDATE alembic_version SET version_num = '9999'")
    assert database.rehearse(filled.settings())["to"] == SCHEMA_GENERATION + 1
    assert database.check(filled.settings()) == {"ok": True, "problems": [], "lost": False}


def test_a_database_further_ahead_is_refused(filled: FilledHome) -> None:
    _claim(filled, SCHEMA_GENERATION + 2)
    with pytest.raises(DatabaseTooNewError, match="Nothing was changed"):
        database.rehearse(filled.settings())
    assert not database.check(filled.settings())["ok"]


def test_a_changed_audit_log_fails_the_rehearsal(filled: FilledHome) -> None:
    _run(filled, "UPDATE audit_events SET action = 'x' WHERE sequence = 2")
    with pytest.raises(AuditBrokenError, match="Entry 2"):
        database.rehearse(filled.settings())


def test_what_is_no_database_is_said_to_be_none(filled: FilledHome) -> None:
    path = filled.home / "casemate.db"
    settings = filled.settings(database_url=f"sqlite:///{path}")
    found = database.check(settings)
    assert (found["problems"], found["lost"]) == (["There is no database."], True)
    assert not path.exists()
    path.write_bytes(b"no database" * 400)
    found = database.check(settings)
    assert (found["problems"], found["lost"]) == (["It cannot be read as a database."], True)
    assert database.generation(settings)["database"] is None


def test_a_database_that_somebody_has_to_himself_is_not_called_lost(tmp_path: Path) -> None:
    path = tmp_path / "casemate.db"
    settings = Settings.model_validate({"home": tmp_path, "database_url": f"sqlite:///{path}"})
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("CREATE TABLE schema_generations (generation INTEGER)")
        other.execute("BEGIN EXCLUSIVE")
        for look in (database.check, database.generation):
            with pytest.raises(DatabaseUnavailableError):
                look(settings)
