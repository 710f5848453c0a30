import json
import secrets

import pytest

from appliance import __main__ as program
from tests.appliance.conftest import FilledHome


@pytest.fixture(autouse=True)
def told(filled: FilledHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASEMATE_HOME", str(filled.home))
    monkeypatch.setenv("CASEMATE_DATABASE_URL", filled.url)


def test_the_key_that_belongs_here_opens_what_is_sealed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert program.main(["keys", "check"]) == 0
    assert json.loads(capsys.readouterr().out)["master_key"] == "ok"


def test_another_key_is_refused(filled: FilledHome, capsys: pytest.CaptureFixture[str]) -> None:
    path = filled.settings().master_key_path
    path.write_bytes(secrets.token_bytes(path.stat().st_size))
    assert program.main(["keys", "check"]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.rstrip().endswith("]")) == ("", True)
