import argparse
import fcntl
import os
import sys
from pathlib import Path

import pytest

from install import bootstrap
from install.building import command, starting
from install.errors import AlreadyWorkingError
from tests.install.building.builders import a_clone

Became = list[tuple[list[str], dict[str, str]]]


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add(parser.add_subparsers())
    return parser.parse_args(["build", "--key", "key", "--out", "x.bundle", *words])


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Became:
    """The programs that took this one's place; no package is installed for them."""
    found: Became = []

    def execve(_path: str, words: list[str], environment: dict[str, str]) -> None:
        found.append((words, environment))
        raise SystemExit

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CASEMATE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setattr(os, "execve", execve)
    monkeypatch.setattr("install.environments.make", lambda *_: True)
    monkeypatch.setattr("install.environments.build_wheel", lambda *_: None)
    monkeypatch.setattr("install.environments.put_wheel", lambda *_: True)
    return found


def test_the_builder_goes_on_in_an_environment_of_its_own(became: Became, tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        starting.start(parsed(), bootstrap.CLONE)
    ((words, environment),) = became
    work = tmp_path / "home" / "building"
    python = str(work / "envs" / "services" / "bin" / "python")
    assert words[:6] == [python, "-P", "-m", "install.cli", "bundle", "build"]
    assert words[words.index("--out") + 1] == str(tmp_path / "x.bundle")
    assert environment["CASEMATE_HOME"] == str(tmp_path / "home")
    assert "PYTHONPATH" not in environment
    os.close(int(words[words.index("--handover") + 1]))


def test_one_build_at_a_time_in_a_work_folder(became: Became, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    with (work / "install.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(AlreadyWorkingError):
            starting.start(parsed("--work", str(work)), bootstrap.CLONE)
    assert became == []


def test_another_clone_is_built_by_its_own_code(became: Became, tmp_path: Path) -> None:
    clone = a_clone(tmp_path / "clone")
    with pytest.raises(SystemExit):
        starting.start(parsed("--sources", str(clone)), clone)
    ((words, environment),) = became
    assert words[:6] == [sys.executable, "-P", "-m", "install", "bundle", "build"]
    assert environment["PYTHONPATH"] == str(clone)
    assert environment["PYTHONSAFEPATH"] == "1"
