import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from install import beside
from install.config import Config, save
from install.containers import rehearsing
from install.errors import SetUpCommandError
from install.places import Places
from install.slots import rehearsal, slot
from install.slots.slot import Slot

MIGRATED = {"database rehearse": {"from": 1, "to": 2, "seconds": 0.1}}


@pytest.fixture
def home(installed: Places, config: Config, wish: Callable[..., None]) -> Places:
    """A home with a database and a model that is ready."""
    save(installed.config, config)
    wish(says=MIGRATED)
    database = installed.home / rehearsal.DATABASE
    with closing(sqlite3.connect(database)) as made:
        made.execute("CREATE TABLE kept (what TEXT)")
        made.execute("INSERT INTO kept VALUES ('a row')")
        made.commit()
    state = {"ref": "m", "state": "ready", "port": 1}
    (installed.model_state / "state.json").write_text(json.dumps({"models": [state]}))
    return installed


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Where something was run beside; what it found there is looked at meanwhile."""
    found: list[Path] = []

    @contextmanager
    def running(places: Places, *_a: object, **_k: object) -> Iterator[SimpleNamespace]:
        with closing(sqlite3.connect(places.home / rehearsal.DATABASE)) as copy:
            assert copy.execute("SELECT what FROM kept").fetchall() == [("a row",)]
        found.append(places.home)
        yield SimpleNamespace(ask=lambda _ref: SimpleNamespace(text="Yes."))

    monkeypatch.setattr(beside, "running", running)
    return found


def test_the_new_release_answers_over_a_copy(home: Places, config: Config, ran: list[Path]) -> None:
    told = rehearsal.run(home, config, own=home.slot)
    assert told == {"migrated": True, "asked": True}
    assert ran == [home.slots / "rehearsal"]
    assert not ran[0].exists()


def test_without_a_ready_model_nothing_is_asked(
    home: Places, config: Config, ran: list[Path]
) -> None:
    (home.model_state / "state.json").unlink()
    assert rehearsal.run(home, config, own=home.slot) == {"migrated": True, "asked": False}
    assert ran == []


def test_a_migration_that_fails_stops_it(
    home: Places, config: Config, wish: Callable[..., None], ran: list[Path]
) -> None:
    wish(fails=["appliance", "database"])
    with pytest.raises(SetUpCommandError, match="it is broken"):
        rehearsal.run(home, config, own=home.slot)
    assert ran == []


def test_the_copy_goes_even_when_nothing_came_up(
    home: Places, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_a: object, **_k: object) -> None:
        what = "appliance init"
        raise SetUpCommandError(what, "no")

    monkeypatch.setattr(beside, "running", refuse)
    with pytest.raises(SetUpCommandError):
        rehearsal.run(home, config, own=home.slot)
    assert not (home.slots / "rehearsal").exists()


def test_it_tells_in_json(
    home: Places, ran: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert rehearsal.main(home.slot) == 0
    assert json.loads(capsys.readouterr().out)["asked"]
    assert ran


def test_a_failure_is_told_in_json(
    home: Places, wish: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    assert home.slot.exists()
    wish(fails=["appliance", "database"])
    assert rehearsal.main(home.slot) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "set_up_failed"


def test_containers_try_their_own_image(home: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[object] = []
    monkeypatch.setattr(rehearsing, "rehearse", lambda *a: tried.append(a[2]))
    facts = Slot(
        release="0.2.0",
        schema_generation=1,
        bundle="b",
        device="cpu",
        models=(),
        images={"instance": "casemate/instance:0.2.0"},
    )
    slot.write(home.slot, facts)
    told = rehearsal.run(home, Config(containers=True), own=home.slot)
    assert told == {"migrated": True, "asked": False}
    assert tried == [{"instance": "casemate/instance:0.2.0"}]
