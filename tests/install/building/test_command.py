import argparse
import errno
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from install.building import command, starting
from install.building.errors import (
    BuildRefusedError,
    KeyNotValidError,
    NoRoomError,
    NoSourcesError,
    OutExistsError,
    OutUnusableError,
)
from install.building.order import Order
from install.errors import ModelFolderError
from tests.bundle_builders import a_signing_key, the_signing_key
from tests.install.building.builders import a_clone, an_order


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add(parser.add_subparsers())
    return parser.parse_args(["build", *words])


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")
    monkeypatch.setenv("CASEMATE_HOME", str(tmp_path / "home"))
    return a_clone(tmp_path / "clone")


def words(order: Order, *more: str) -> list[str]:
    """As the bootstrap hands them over."""
    model = ["--model", str(order.clone / "small-model")]
    places = ["--sources", str(order.clone), "--work", str(order.work)]
    out = ["--out", str(order.out), "--key", str(order.key)]
    return [*places, *out, *model, "--handover", "0", *more]


def test_a_folder_that_is_no_clone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoSourcesError, match="--sources"):
        command.run(parsed("--out", "x", "--key", "k", "--sources", str(tmp_path)))


@pytest.mark.parametrize(
    "asked",
    [
        ["--images", "--device", "both"],
        ["--only-models", "--images"],
        ["--only-models", "--no-model"],
    ],
)
def test_what_does_not_go_together_is_refused(clone: Path, asked: list[str]) -> None:
    with pytest.raises(BuildRefusedError):
        command.run(parsed("--out", "x", "--key", "k", "--sources", str(clone), *asked))


def test_a_file_that_is_there_is_not_replaced(clone: Path, tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    options = parsed("--out", str(tmp_path / "there"), "--key", "k", "--sources", str(clone))
    with pytest.raises(OutExistsError, match="--force"):
        command.run(options)


@pytest.mark.parametrize("out", ["folder", "missing/x.bundle"])
def test_a_place_that_no_bundle_can_have_is_refused_first(
    clone: Path, tmp_path: Path, out: str
) -> None:
    (tmp_path / "folder").mkdir()
    options = parsed("--out", str(tmp_path / out), "--key", "k", "--sources", str(clone))
    with pytest.raises(OutUnusableError, match="--out"):
        command.run(options)


@pytest.mark.parametrize("days", [(-9, -1), (1, 9)])
def test_a_key_outside_of_its_time_is_refused_first(
    clone: Path, tmp_path: Path, days: tuple[int, int]
) -> None:
    begins, ends = (datetime.now(UTC) + timedelta(days=each) for each in days)
    key = a_signing_key(tmp_path / "key", not_before=begins, expires=ends)
    out = ["--out", str(tmp_path / "x"), "--key", str(key.folder), "--sources", str(clone)]
    with pytest.raises(KeyNotValidError, match="no box would take"):
        command.run(parsed(*out))


def test_a_folder_without_a_model_is_refused_first(clone: Path, tmp_path: Path) -> None:
    key = str(the_signing_key().folder)
    out = ["--out", str(tmp_path / "x"), "--key", key, "--sources", str(clone)]
    with pytest.raises(ModelFolderError):
        command.run(parsed(*out, "--model", str(tmp_path)))


def test_scripts_get_one_object(
    clone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    order = an_order(clone, tmp_path / "work")
    assert command.run(parsed(*words(order, "--json"))) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["path"], said["release"]) == (str(order.out), "0.3.0")


def test_people_get_the_fingerprint(
    clone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.run(parsed(*words(an_order(clone, tmp_path / "work")))) == 0
    assert "Signed by   SHA256:" in capsys.readouterr().out


def test_a_full_disk_is_said_plainly(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path / "x.part"))

    order = an_order(clone, tmp_path / "work")
    monkeypatch.setattr("install.bundle.writing.write", full)
    with pytest.raises(NoRoomError, match=r"x\.part.*build again"):
        command.run(parsed(*words(order)))
    assert not order.out.exists()


def test_another_failure_of_the_disk_stays_what_it_is(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "broken")

    order = an_order(clone, tmp_path / "work")
    monkeypatch.setattr("install.bundle.writing.write", broken)
    with pytest.raises(OSError, match="broken"):
        command.run(parsed(*words(order)))


def test_what_is_handed_over_is_what_was_asked(clone: Path, tmp_path: Path) -> None:
    asked = ["--out", "x.bundle", "--key", "key", "--device", "cuda", "--images", "--force"]
    asked += ["--model", "m1", "--model", "m2", "--family", "qwen", "--work", str(tmp_path / "w")]
    asked += ["--torch-index", "http://127.0.0.1/", "--base-image", "python:3.11", "--json"]
    first = starting.order(parsed(*asked), clone)
    again = parsed(*starting.words(parsed(*asked), clone))
    assert starting.order(again, clone) == first
    assert (again.force, again.json, again.sources) == (True, True, clone)
    assert first.models == (Path.cwd() / "m1", Path.cwd() / "m2")
    assert first.out == Path.cwd() / "x.bundle"
