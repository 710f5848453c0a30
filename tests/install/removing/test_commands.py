import io
import json
import sys
from pathlib import Path

import pytest

from install.config import Config, save
from install.places import Places
from tests.install.conftest import Run


@pytest.fixture(autouse=True)
def set_up(places: Places, config: Config) -> None:
    save(places.config, config)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def at_a_terminal(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(f"{typed}\n"))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)


def test_nobody_to_ask_removes_nothing(casemate: Run, places: Places) -> None:
    code, out, err = casemate("remove")
    assert (code, "--yes removes it without asking" in err) == (2, True)
    assert "config.json" in out
    assert places.config.exists()


def test_what_goes_is_told_and_the_name_must_be_typed(
    casemate: Run, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_a_terminal(monkeypatch, "yes")
    code, _, err = casemate("remove")
    assert (code, "nothing was removed" in err) == (2, True)
    assert places.config.exists()
    at_a_terminal(monkeypatch, "home")
    code, out, _ = casemate("remove")
    assert (code, f"This removes from {places.home}:" in out) == (0, True)
    assert not places.home.exists()


def test_data_is_kept_when_asked(casemate: Run, places: Places) -> None:
    code, out, _ = casemate("remove", "--keep-data", "--yes", "--json")
    assert code == 0
    assert "config.json" in json.loads(out)["kept"]
    assert places.config.exists()
    code, out, _ = casemate("remove", "--keep-data", "--yes")
    assert (code, out.splitlines()[-1]) == (0, "There is nothing to remove.")
    assert "Removed." in casemate("remove", "--yes")[1]
    assert "nothing to remove" in casemate("remove", "--yes")[1]


def test_what_else_goes_and_stays_is_told(casemate: Run, places: Places, tmp_path: Path) -> None:
    told = {"CASEMATE_DATABASE_URL": "postgresql://db.inside/x"}
    save(places.config, Config(handed_on=told, systemd=True))
    places.models.rmdir()
    places.models.symlink_to(tmp_path)
    out = casemate("remove", "--keep-data")[1]
    assert "A database elsewhere stays" in out
    assert "systemd units" in out
    assert f"a link; {tmp_path} stays" in out
    save(places.config, Config(containers=True))
    assert "its containers, networks and images" in casemate("remove")[1]
    save(places.config, Config())
