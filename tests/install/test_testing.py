import io
import os
from pathlib import Path

import pytest

from install import testing
from install.errors import PackagesError
from install.progress import Display
from install.testing import PARTS, Part, parts_for


@pytest.fixture
def display() -> Display:
    return Display(io.StringIO(), live=False, colour=False)


def a_program(folder: Path, name: str, body: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def test_checks_come_first_and_system_tests_last() -> None:
    assert parts_for([]) == PARTS
    assert [part.name for part in PARTS] == [
        "static checks",
        "fast tests",
        "coverage",
        "system tests of bundles and engines",
        "system tests",
    ]


def test_arguments_are_for_pytest_alone() -> None:
    assert parts_for(["-k", "leash"])[0].arguments == ("-m", "pytest", "-k", "leash")


def test_every_part_runs_and_the_first_failure_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    a_program(tmp_path, "python", 'echo "ran $1"; exit $1')
    parts = [Part(name=f"part {code}", arguments=(code,)) for code in ("0", "3", "4")]
    monkeypatch.setattr(testing, "add_debian_packages", lambda _display: None)
    monkeypatch.setattr(testing, "make_environment", lambda *_: tmp_path / "python")
    monkeypatch.setattr(testing, "parts_for", lambda _arguments: parts)
    assert testing.run_tests(tmp_path, []) == 3
    said = capfd.readouterr().out
    assert "ran 4" in said
    assert "== part 3 FAILED (3)" in said


def test_a_part_beside_another_is_told_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    a_program(tmp_path, "python", 'echo "ran $1"; exit $1')
    parts = [Part(name="aside", arguments=("5",), is_beside=True), Part(name="a", arguments=("0",))]
    monkeypatch.setattr(testing, "add_debian_packages", lambda _display: None)
    monkeypatch.setattr(testing, "make_environment", lambda *_: tmp_path / "python")
    monkeypatch.setattr(testing, "parts_for", lambda _arguments: parts)
    assert testing.run_tests(tmp_path, []) == 5
    said = capfd.readouterr().out
    assert said.index("ran 0") < said.index("== a passed") < said.index("ran 5")
    assert "== aside FAILED (5)" in said


def test_every_system_test_is_in_one_of_the_two_parts() -> None:
    assert all((Path(__file__).parents[2] / path).exists() for path in testing.APART)


def test_missing_debian_packages_are_installed_after_an_update(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, display: Display
) -> None:
    a_program(tmp_path, "apt-get", f'echo "$@" >> {tmp_path}/log')
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(testing, "missing_packages", lambda: ["postgresql"])
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    testing.add_debian_packages(display)
    calls = (tmp_path / "log").read_text().splitlines()
    assert [call.split()[1] for call in calls] == ["update", "install"]
    assert calls[1].endswith("postgresql")


def test_a_failing_apt_get_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, display: Display
) -> None:
    a_program(tmp_path, "apt-get", "echo 'E: no route' >&2; exit 100")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(testing, "missing_packages", lambda: ["postgresql"])
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(PackagesError, match="no route"):
        testing.add_debian_packages(display)


@pytest.mark.parametrize(("missing", "said"), [([], ""), (["iproute2"], "skipped: iproute2")])
def test_who_is_not_root_is_told_what_is_missing(
    missing: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(testing, "missing_packages", lambda: missing)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    testing.add_debian_packages(Display(stream, live=False, colour=False))
    assert said in stream.getvalue()


def test_packages_are_known_by_their_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/no/such/folder")
    programs = {"iproute2", "util-linux", "docker.io", "iptables", "mmdebstrap"}
    assert set(testing.missing_packages()) >= programs


def test_the_tests_environment_is_made_in_the_clone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, display: Display
) -> None:
    monkeypatch.setattr("install.environments.make", lambda *_: True)
    python = testing.make_environment(tmp_path, display)
    assert python == tmp_path / ".venv" / "bin" / "python"
