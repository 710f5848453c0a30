"""A home with a stand-in for its program, and backups of it that cost little."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from install.backup import making, sealed
from install.config import Config, save
from install.places import Places
from tests.fakes import kept_appliance

CLONE = Path(__file__).parents[3]
SECRET = b"correct horse battery"
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
PYTHON = f"""#!/bin/sh
case "$3" in
  appliance|install.leash)
    PYTHONPATH={CLONE} exec {sys.executable} {kept_appliance.__file__} "$@";;
  *) PYTHONPATH={CLONE} exec {sys.executable} "$@";;
esac
"""
FILES = {
    "keys/master.key": "key",
    "keys/tls/ca.pem": "authority",
    "credentials/admin_token": "token",
    "gateway/instance.json": "{}",
    "model_server/api_key": "api key",
    "model_server/models.json": "[]",
}


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed, "COST", 2**4)


def fill(places: Places, mark: str) -> None:
    """Gives a home files and a database that say `mark`."""
    for name, text in FILES.items():
        path = places.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text} {mark}")
        path.chmod(0o600)
    kept_appliance.make_database(places.home / "instance" / "casemate.db", mark)
    save(places.config, Config(family=mark))


def mark_of(places: Places) -> str:
    """What all of a home says; fails where parts of it say different things."""
    said = {
        (places.home / name).read_text().removeprefix(f"{text} ")
        for name, text in FILES.items()
        if name != "model_server/models.json"
    }
    said.add(kept_appliance.content_of(places.home / "instance" / "casemate.db"))
    config = places.config.read_text()
    said.add(config.split('"family": "')[1].split('"')[0])
    assert len(said) == 1, said
    return said.pop()


@pytest.fixture
def home(places: Places, monkeypatch: pytest.MonkeyPatch) -> Places:
    """A home that says `old`, with a program."""
    monkeypatch.setattr(kept_appliance, "HOME", places.home)
    program = places.services / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text(PYTHON)
    program.chmod(0o755)
    fill(places, "old")
    return places


@pytest.fixture
def backup(home: Places, tmp_path: Path) -> Callable[..., Path]:
    """Makes a backup."""

    def make(*, to: Path | None = None) -> Path:
        target = to or tmp_path / "backups" / "x.backup"
        return making.make(home, Config(), SECRET, to=target, now=NOW).path

    return make
