import os
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from appliance.first_contents import fill as fill_instance
from appliance.local import users
from appliance.settings import Settings
from appliance.storage.engine import Db, database_url
from install import locking
from install.backup import databases, exchange, making, restoring
from install.backup.errors import (
    BackupDamagedError,
    BackupError,
    BackupUnfitError,
    PassphraseWrongError,
    RestoreFailedError,
)
from install.backup.restoring import Restore, Restored
from install.config import Config, load, save
from install.places import Places
from tests.fakes import kept_appliance
from tests.install.backup.conftest import CLONE, SECRET, fill, mark_of
from tests.instance_builders import NOW, GatewayKeys, some_answers

Make = Callable[..., Path]


class KilledError(BaseException):
    """As if the process were gone: nobody catches it."""


def _restore(
    places: Places, path: Path, secret: bytes = SECRET, passed: Callable[[str], None] | None = None
) -> Restored:
    lock = locking.take(places)
    try:
        return Restore(places=places, lock=lock, passed=passed or (lambda _step: None)).run(
            path, secret
        )
    finally:
        os.close(lock)


@pytest.fixture
def file(home: Places, backup: Make) -> Path:
    """A backup that says `old`, of a home that says `new` by now."""
    path = backup()
    fill(home, "new")
    return path


def test_everything_is_as_it_was_backed_up(home: Places, file: Path) -> None:
    done = _restore(home, file)
    assert (done.answer, done.as_dict()["database"]) == ("hello", {"epoch": 2})
    assert mark_of(home) == "old"
    assert (home.home / "calls").read_text().split() == ["down", "up"]
    assert not exchange.folder_of(home).exists()


def test_how_services_are_run_is_the_machine_s_own(home: Places, file: Path) -> None:
    save(home.config, Config(family="new", containers=True))
    with pytest.raises(BackupUnfitError, match="install it the other way"):
        _restore(home, file)
    assert (load(home.config) or Config()).containers


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_backup_changes_nothing(home: Places, file: Path, damage: str) -> None:
    content = file.read_bytes()
    bad = content[:-20] if damage == "cut" else content[:-9] + b"x" + content[-8:]
    file.write_bytes(bad)
    with pytest.raises(BackupDamagedError):
        _restore(home, file)
    assert mark_of(home) == "new"
    assert not (home.home / "calls").exists()
    assert not exchange.folder_of(home).exists()


def test_another_passphrase_changes_nothing(home: Places, file: Path) -> None:
    with pytest.raises(PassphraseWrongError):
        _restore(home, file, b"another passphrase")
    assert mark_of(home) == "new"


def test_a_newer_release_s_backup_is_refused(home: Places, backup: Make) -> None:
    database = home.home / "instance" / "casemate.db"
    kept_appliance.make_database(database, "old", generation=kept_appliance.GENERATION + 1)
    path = backup()
    fill(home, "new")
    with pytest.raises(BackupUnfitError, match="newer release"):
        _restore(home, path)
    assert mark_of(home) == "new"


def test_what_does_not_come_up_is_taken_back(home: Places, backup: Make) -> None:
    (home.home / "keys" / "master.key").write_text("bad")
    path = backup()
    fill(home, "new")
    with pytest.raises(RestoreFailedError, match=r"does not come up[^$]*runs again"):
        _restore(home, path)
    assert mark_of(home) == "new"
    assert kept_appliance.restores_of(_database(home)) == 0
    assert (home.home / "calls").read_text().split() == ["down", "up", "down", "up"]
    assert not exchange.folder_of(home).exists()


def test_receipts_and_trust_of_here_stay(home: Places, backup: Make) -> None:
    home.trust.write_text("old")
    path = backup()
    fill(home, "new")
    home.trust.write_text("new")
    home.receipts.mkdir()
    (home.receipts / "0001-apply.json").write_text("{}")
    (home.home / "keys" / "receipts.pem").write_text("of here")
    _restore(home, path)
    assert home.trust.read_text() == "new"
    assert (home.home / "keys" / "receipts.pem").read_text() == "of here"
    assert (home.receipts / "0001-apply.json").exists()


def test_an_empty_home_gets_all_of_it(home: Places, file: Path) -> None:
    for name in ("keys", "credentials", "gateway", "instance"):
        (home.home / name).rename(home.home / f"gone-{name}")
    home.config.unlink()
    _restore(home, file)
    assert mark_of(home) == "old"


def _steps(home: Places, path: Path) -> list[str]:
    steps: list[str] = []
    _restore(home, path, passed=steps.append)
    return steps


def _killed_at(step: str) -> Callable[[str], None]:
    def passed(reached: str) -> None:
        if reached == step:
            raise KilledError

    return passed


STEPS = (
    exchange.MOVING,
    *(
        f"{item} {way}"
        for item in ("keys", "credentials", "gateway", "model_server/api_key", "config.json")
        for way in ("away", "here")
    ),
    exchange.MOVED,
    exchange.PLACED,
)


def test_the_steps_are_those_that_are_tested(home: Places, file: Path) -> None:
    assert tuple(_steps(home, file)) == STEPS


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_any_step_leaves_old_or_new(home: Places, file: Path, step: str) -> None:
    with pytest.raises(KilledError):
        _restore(home, file, passed=_killed_at(step))
    assert restoring.mend_before_up(home, has_lock=False) is not None
    assert mark_of(home) == ("old" if step == exchange.PLACED else "new")
    assert not exchange.folder_of(home).exists()
    assert restoring.mend_before_up(home, has_lock=False) is None


def test_another_restore_goes_on_after_a_kill(home: Places, file: Path) -> None:
    with pytest.raises(KilledError):
        _restore(home, file, passed=_killed_at("gateway away"))
    _restore(home, file)
    assert mark_of(home) == "old"


def test_a_kill_while_mending_is_mended(
    home: Places, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KilledError):
        _restore(home, file, passed=_killed_at(exchange.MOVED))

    def killed(*_rest: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(exchange, "forget", killed)
        with pytest.raises(KilledError):
            restoring.mend(home)
    restoring.mend(home)
    assert mark_of(home) == "new"


def test_what_a_restore_itself_starts_leaves_it_open(home: Places, file: Path) -> None:
    with pytest.raises(KilledError):
        _restore(home, file, passed=_killed_at(exchange.PLACED))
    assert restoring.mend_before_up(home, has_lock=True) is None
    assert exchange.read(home) is not None


def test_a_kill_while_a_failed_restore_is_taken_back_is_mended(
    home: Places, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KilledError):
        _restore(home, file, passed=_killed_at(exchange.PLACED))

    def killed(_places: Places) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(restoring, "_put_database_back", killed)
        with pytest.raises(KilledError):
            restoring.mend(home, undo=True)
    assert restoring.mend_before_up(home, has_lock=False) is not None
    assert mark_of(home) == "new"


URL = "CASEMATE_DATABASE_URL"
REAL = f"""#!/bin/sh
case "$3" in
  install.leash) PYTHONPATH={CLONE} exec {sys.executable} {kept_appliance.__file__} "$@";;
  *) PYTHONPATH={CLONE} exec {sys.executable} "$@";;
esac
"""


def _database(home: Places) -> Path:
    return home.home / "instance" / "casemate.db"


def _fails(home: Places, *lines: str) -> None:
    (home.home / "fails").write_text("\n".join(lines))


def test_the_real_database_is_taken_back_to_the_last_row(places: Places, tmp_path: Path) -> None:
    program = places.services / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text(REAL)
    program.chmod(0o755)
    settings = Settings.model_validate({"home": places.home})
    fill_instance(settings, some_answers(places.home, GatewayKeys()), now=NOW)
    save(places.config, Config())
    users.create(settings, "ada", name="ada", email="ada@example.org", is_admin=False)
    users.set_state(settings, "ada", "blocked")
    path = making.make(places, Config(), SECRET, to=tmp_path / "x.backup", now=NOW).path
    users.set_state(settings, "ada", "active")
    users.create_pat(settings, "ada", name="new", scopes=["api"], days=9)
    before = _rows(places)
    _fails(places, "up 1")
    with pytest.raises(RestoreFailedError, match="up fails"):
        _restore(places, path)
    assert _rows(places) == before
    assert ("ada", "active") in before["SELECT username, state FROM users"]
    assert (places.home / "calls").read_text().split() == ["down", "up", "down", "up"]
    assert exchange.read(places) is None


def _rows(home: Places) -> dict[str, list[object]]:
    """What a restore would change: users, their access tokens, keys, the era, and the log."""
    asked = (
        "SELECT username, state FROM users",
        "SELECT * FROM personal_access_tokens",
        "SELECT * FROM signing_keys",
        "SELECT * FROM grant_eras",
        "SELECT * FROM audit_events",
    )
    with closing(Db(database_url(f"sqlite:///{_database(home)}"))) as db:
        return db.read_blocking(
            lambda session: {each: list(map(tuple, session.execute(text(each)))) for each in asked}
        )


def test_a_newer_release_s_database_here_is_left_before_anything_stops(
    home: Places, backup: Make
) -> None:
    path = backup()
    kept_appliance.make_database(_database(home), "old", generation=kept_appliance.GENERATION + 1)
    with pytest.raises(BackupUnfitError, match="database here has the shape of a newer release"):
        _restore(home, path)
    assert not (home.home / "calls").exists()
    assert not exchange.folder_of(home).exists()


def test_a_restore_that_is_refused_leaves_the_database_alone(home: Places, file: Path) -> None:
    _fails(home, "restore 2")
    before = _database(home).stat()
    with pytest.raises(RestoreFailedError, match=r"restore fails[^$]*runs again"):
        _restore(home, file)
    assert mark_of(home) == "new"
    after = _database(home).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_one_that_a_signal_ended_is_taken_back(home: Places, file: Path) -> None:
    def passed(step: str) -> None:
        if step == exchange.MOVED:
            # As if it had been killed right after it was done.
            kept_appliance.make_database(_database(home), "old")

    _fails(home, "restore 137")
    with pytest.raises(RestoreFailedError, match="runs again"):
        _restore(home, file, passed=passed)
    assert mark_of(home) == "new"


@pytest.mark.parametrize("check", [[], ["check 2"]])
def test_a_database_that_cannot_be_kept_is_not_replaced(
    home: Places, file: Path, check: list[str]
) -> None:
    _fails(home, "snapshot 2", *check)
    with pytest.raises(RestoreFailedError, match=r"(snapshot|check) fails[^$]*runs again"):
        _restore(home, file)
    assert mark_of(home) == "new"
    assert (home.home / "calls").read_text().split() == ["down", "up"]
    assert not exchange.folder_of(home).exists()


def test_a_damaged_database_is_replaced(home: Places, file: Path) -> None:
    _database(home).write_bytes(b"no database" * 400)
    _restore(home, file)
    assert mark_of(home) == "old"


def test_services_that_do_not_stop_leave_no_master_key_behind(home: Places, file: Path) -> None:
    _fails(home, "down 1")
    with pytest.raises(RestoreFailedError, match=r"down` failed[^$]*runs again"):
        _restore(home, file)
    assert mark_of(home) == "new"
    assert not exchange.folder_of(home).exists()


@pytest.mark.parametrize("own", [None, "sqlite:////srv/own.db", "postgresql://own.example/c"])
def test_a_restore_goes_into_the_database_of_this_machine(
    home: Places, backup: Make, monkeypatch: pytest.MonkeyPatch, own: str | None
) -> None:
    told = {URL: "postgresql://production.example/casemate", "CASEMATE_MAX_BODY_BYTES": "9"}
    save(home.config, Config(family="old", handed_on=told))
    path = backup()
    here = Config(family="new", handed_on={URL: own} if own else {})
    save(home.config, here)
    used = []

    def restore(_places: Places, settings: Config, _file: Path) -> dict[str, object]:
        used.append(settings.handed_on)
        return {}

    monkeypatch.setattr(databases, "restore", restore)
    _restore(home, path)
    rest = {"CASEMATE_MAX_BODY_BYTES": "9"}
    assert used == [{**here.handed_on, **rest}]
    assert (load(home.config) or Config()).handed_on == {**here.handed_on, **rest}


def test_a_home_without_settings_goes_into_its_own_database(home: Places, backup: Make) -> None:
    save(home.config, Config(family="old", handed_on={URL: "postgresql://production.example/c"}))
    path = backup()
    home.config.unlink()
    _restore(home, path)
    assert (load(home.config) or Config()).handed_on == {}


@pytest.fixture
def reached(home: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """Notes among the calls when a database's own service is seen to, and says it was down."""

    def make_reachable(*_rest: object) -> bool:
        with (home.home / "calls").open("a") as calls:
            calls.write("reach\n")
        return True

    monkeypatch.setattr(databases, "make_reachable", make_reachable)


@pytest.mark.usefixtures("reached")
def test_the_database_s_own_service_runs_whenever_it_is_asked(home: Places, file: Path) -> None:
    _fails(home, "up 1")
    with pytest.raises(RestoreFailedError):
        _restore(home, file)
    steps = (home.home / "calls").read_text().split()
    assert steps == ["reach", "down", "reach", "up", "down", "reach", "up"]


@pytest.mark.usefixtures("reached")
def test_a_database_s_service_that_was_down_is_down_after_a_refusal(
    home: Places, file: Path
) -> None:
    kept_appliance.make_database(_database(home), "new", generation=kept_appliance.GENERATION + 1)
    with pytest.raises(BackupUnfitError):
        _restore(home, file)
    assert (home.home / "calls").read_text().split() == ["reach", "down"]


def test_no_backup_is_made_during_a_restore(home: Places, file: Path) -> None:
    with making.alone(home), pytest.raises(BackupError, match="right now"):
        _restore(home, file)
    assert not (home.home / "calls").exists()
