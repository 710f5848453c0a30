import json
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from install import contents
from install.places import Places
from tests.fakes import parts
from tests.install.conftest import Run
from tests.install.doctor.conftest import ANSWERS, SAYS

WORD = "support-bundle"
PASSWORD = "Gq3-vTz9WmXk2LpR7sNb"


@pytest.fixture(autouse=True)
def home(parts_running: Places, installed: Places, wish: Callable[..., None]) -> Places:
    assert installed is parts_running
    parts.InstanceSurface.models = ()
    wish(answers=ANSWERS, says={**SAYS, "audit record support_file_made": {}})
    contents.password_file(installed).write_text(PASSWORD)
    return installed


def test_a_file_is_written_for_its_owner(casemate: Run, tmp_path: Path) -> None:
    path = tmp_path / "support.zip"
    code, out, err = casemate(WORD, "--out", str(path), "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["file"] == str(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with zipfile.ZipFile(path) as file:
        assert file.namelist()[0] == "inventory.json"
        assert file.testzip() is None


def test_a_preview_writes_nothing(
    casemate: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    code, out, _ = casemate(WORD, "--preview")
    assert code == 0
    assert "===== doctor.json" in out
    assert set(tmp_path.iterdir()) == before


def test_a_secret_stops_it_before_anything_is_written(
    casemate: Run, home: Places, tmp_path: Path
) -> None:
    (home.logs / "instance.log").write_text(f"it was {PASSWORD}\n")
    path = tmp_path / "support.zip"
    code, out, err = casemate(WORD, "--out", str(path), "--json")
    assert (code, json.loads(out)["error"]["code"]) == (2, "secret_found")
    assert "logs/instance.log" in err
    assert PASSWORD not in out + err
    assert not path.exists()


def test_an_audit_log_that_is_away_is_told(
    casemate: Run, tmp_path: Path, wish: Callable[..., None]
) -> None:
    wish(answers=ANSWERS, says=SAYS, fails=["appliance", "audit"])
    code, _, err = casemate(WORD, "--out", str(tmp_path / "x.zip"))
    assert code == 0
    assert "The audit log does not tell of it" in err
