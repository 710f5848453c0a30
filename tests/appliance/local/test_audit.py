import io
from contextlib import closing

import pytest
from sqlmodel import text

import appliance.__main__ as program
from appliance.local import audit as local_audit
from appliance.storage.engine import Db, database_url
from gateway.contract.catalog import load_catalog
from tests.appliance.conftest import FilledHome


def _run(filled: FilledHome, statement: str) -> None:
    with closing(Db(database_url(filled.url))) as db:
        db.write_blocking(lambda session: session.execute(text(statement)))


def test_the_log_is_looked_through_in_the_database_itself(filled: FilledHome) -> None:
    verdict = local_audit.verify(filled.settings())
    suited = [each for each in load_catalog().features.values() if "general" in each.model_families]
    assert (verdict.is_intact, verdict.entries) == (True, 4 + len(suited))
    _run(filled, "DELETE FROM audit_events WHERE sequence = 2")
    assert local_audit.verify(filled.settings()).first_bad == 2


def test_the_command_says_and_exits_with_what_it_found(
    filled: FilledHome, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CASEMATE_HOME", str(filled.home))
    monkeypatch.setenv("CASEMATE_DATABASE_URL", filled.url)
    assert program.main(["audit", "verify"]) == 0
    assert '"intact": true' in capsys.readouterr().out
    _run(filled, "UPDATE audit_events SET action = 'x' WHERE sequence = 4")
    assert program.main(["audit", "verify"]) == 1
    assert '"first_bad": 4' in capsys.readouterr().out


def test_what_was_done_to_the_appliance_is_added(
    filled: FilledHome, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CASEMATE_HOME", str(filled.home))
    monkeypatch.setenv("CASEMATE_DATABASE_URL", filled.url)
    monkeypatch.setattr("sys.stdin", io.StringIO('{"bundle": "abc"}'))
    assert program.main(["audit", "record", "bundle_applied"]) == 0
    assert local_audit.verify(filled.settings()).is_intact
    monkeypatch.setattr("sys.stdin", io.StringIO("[]"))
    assert program.main(["audit", "record", "bundle_applied"]) == 2
    assert "must be a JSON object" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        program.main(["audit", "record", "user_created"])
