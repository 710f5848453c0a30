import ast
import json
import os
from pathlib import Path

import pytest

from install import bootstrap
from install.config import Config, save
from install.places import Places


def test_the_bootstrap_shows_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("signal.signal", lambda *_: None)
        assert bootstrap.main(["--help"]) == 0
        assert bootstrap.main([]) == 2
    assert "python3 -m install" in capsys.readouterr().out


def test_the_bootstrap_hands_other_commands_to_the_installed_program(
    installed: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[list[str]] = []

    def execve(_path: str, command: list[str], environment: dict[str, str]) -> None:
        assert environment["CASEMATE_HOME"] == str(installed.home)
        assert environment["PYTHONSAFEPATH"] == "1"
        ran.append(command)

    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr(os, "execve", execve)
    bootstrap.main(["status", "--json"])
    assert ran[0][1:] == ["-P", "-m", "install.cli", "status", "--json"]


def test_the_bootstrap_without_an_appliance_says_so(
    places: Places, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)
    assert bootstrap.main(["status", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "not_installed"
    del places


def test_the_bootstrap_installs_nothing_on_an_unfit_machine(
    places: Places, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr("install.preflight.machine.RUNNING_BYTES", 10**18)
    assert bootstrap.main(["up"]) == 2
    said = capsys.readouterr()
    assert "are needed" in said.err
    assert "Traceback" not in said.err
    assert not places.services.exists()


def test_the_bootstrap_prepares_and_hands_over(
    installed: Places, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[list[str]] = []
    save(installed.config, config)
    monkeypatch.setattr("install.preflight.machine.MEMORY_BYTES", 0)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr("install.environments.build_wheel", lambda *_: None)
    monkeypatch.setattr(os, "execve", lambda _p, command, _e: ran.append(command))
    bootstrap.main(["up", "--device", "cpu"])
    handed = json.loads(ran[0][-1])
    assert ran[0][4:7] == ["up", "--device", "cpu"]
    os.close(handed["lock"])


def test_an_old_python_gets_one_sentence() -> None:
    source = (Path(bootstrap.__file__).with_name("__main__.py")).read_text()
    ast.parse(source, feature_version=(3, 4))
    assert "Python 3.11 is needed" in source


def test_bundles_are_built_and_looked_into_from_a_bare_clone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)
    assert bootstrap.main(["bundle"]) == 2
    assert "make a bundle from a clone" in capsys.readouterr().out
