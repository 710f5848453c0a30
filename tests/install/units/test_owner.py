import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from install import config, contents
from install.config import Config
from install.places import Places
from install.services import Service
from install.units import owner
from install.units.owner import Owner

SOMEBODY = Owner(uid=54321, gid=54321)
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


def test_without_systemd_commands_act_as_they_are() -> None:
    assert owner.acting(Config()) == {}


@AS_ROOT
def test_under_systemd_commands_act_as_the_services_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, "find", lambda: SOMEBODY)
    acting = owner.acting(Config(systemd=True))
    done = subprocess.run(["/usr/bin/id", "-u"], capture_output=True, text=True, **acting)  # noqa: PLW1510
    assert done.stdout == "54321\n"


@AS_ROOT
def test_the_state_is_given_and_the_program_is_not(slotted: Places) -> None:
    (slotted.home / "instance" / "casemate.db").touch()
    owner.take_over(slotted, SOMEBODY)
    database = (slotted.home / "instance" / "casemate.db").stat()
    assert (database.st_uid, database.st_gid) == (54321, 54321)
    assert slotted.credentials.stat().st_uid == 54321
    assert (slotted.services / "bin").stat().st_uid == 0
    assert slotted.run.stat().st_uid == 0


@AS_ROOT
def test_no_link_leads_out_of_what_is_given(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / "soft").symlink_to(outside)
    (folder / "hard").hardlink_to(outside / "file")
    owner.give(folder, SOMEBODY)
    assert outside.stat().st_uid == 0
    assert (outside / "file").stat().st_uid == 0


def test_what_a_strict_umask_closed_is_opened_to_read(tmp_path: Path) -> None:
    folder = tmp_path / "program"
    folder.mkdir(mode=0o700)
    (folder / "run").touch(mode=0o700)
    (folder / "read").touch(mode=0o600)
    owner.open_to_read(folder)
    assert folder.stat().st_mode & 0o777 == 0o755
    assert (folder / "run").stat().st_mode & 0o777 == 0o755
    assert (folder / "read").stat().st_mode & 0o777 == 0o644


@AS_ROOT
def test_what_root_writes_belongs_to_whom_the_folder_belongs_to(tmp_path: Path) -> None:
    os.chown(tmp_path, SOMEBODY.uid, SOMEBODY.gid)
    config.write_private(tmp_path / "file", "text")
    found = (tmp_path / "file").stat()
    assert (found.st_uid, found.st_mode & 0o777) == (SOMEBODY.uid, 0o600)


@AS_ROOT
def test_a_set_up_command_reads_what_it_is_told_as_another_user(tmp_path: Path) -> None:
    python = "/usr/bin/python3.11"
    if not Path(python).exists():
        pytest.skip(f"no {python}, which other users may run")
    service = Service(
        name="instance", command=(python,), environment={}, address="", log=tmp_path / "log"
    )
    run = contents.runner({"instance": service}, {"user": 54321, "group": 54321})
    done = run("instance", ["json.tool", "--compact", "/dev/stdin"], '{"a": 1}')
    assert done.stdout == '{"a":1}\n', done.stderr


@AS_ROOT
def test_a_folder_that_is_exchanged_meanwhile_leads_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "outside" / "shadow"
    outside.mkdir(parents=True)
    inside = tmp_path / "state" / "x" / "shadow"
    inside.mkdir(parents=True)
    walk = os.fwalk

    def exchanged(*arguments: Any, **options: Any) -> Iterator[Any]:
        for found in walk(*arguments, **options):
            if found[0].endswith("shadow"):
                (tmp_path / "state" / "x").rename(tmp_path / "away")
                (tmp_path / "state" / "x").symlink_to(tmp_path / "outside")
            yield found

    monkeypatch.setattr(os, "fwalk", exchanged)
    owner.give(tmp_path / "state", SOMEBODY)
    assert outside.stat().st_uid == 0
    assert (tmp_path / "away" / "shadow").stat().st_uid == 54321


@AS_ROOT
def test_what_was_given_is_handed_back(slotted: Places) -> None:
    owner.take_over(slotted, SOMEBODY)
    owner.hand_back(slotted)
    assert (slotted.home / "instance").stat().st_uid == 0
    assert slotted.credentials.stat().st_uid == 0


def test_an_account_that_the_machine_had_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(subprocess, "run", lambda words, **_more: asked.append(words))
    account = SimpleNamespace(pw_uid=54321, pw_gid=54321, pw_gecos="Someone else,,,")
    monkeypatch.setattr("pwd.getpwnam", lambda _name: account)
    owner.forget()
    assert asked == []
    account.pw_gecos = "Casemate"
    owner.forget()
    assert asked
