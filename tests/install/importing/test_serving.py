import shutil
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest

from install import config as configs
from install import locking
from install.config import Config, save
from install.importing import serving
from install.importing.errors import NotServedError
from install.importing.records import Imported
from install.importing.work import Importer, Wish
from install.places import Places
from install.progress import Display
from install.slots.program import Program
from install.supervision import Supervisor
from tests.install.importing.builders import a_folder


@pytest.fixture
def display() -> Display:
    return Display(StringIO(), live=False, colour=False)


@pytest.fixture
def imported(installed: Places, config: Config, display: Display, tmp_path: Path) -> Imported:
    save(installed.config, config)
    importer = Importer(
        places=installed, settings=config, wish=Wish(is_forced=True), display=display
    )
    return importer.folder(a_folder(tmp_path / "tiny"))


def run_up(places: Places) -> None:
    handle = locking.take(places)
    with locking.held(places, handle):
        Program(places=places, folder=places.slot, lock=handle).up()


def remembered(places: Places) -> Config:
    found = configs.load(places.config)
    assert found
    return found


def test_an_imported_model_is_served_under_its_own_ref(
    installed: Places, imported: Imported, display: Display
) -> None:
    settings = remembered(installed)
    answer = serving.serve(installed, settings, imported, was_running=False, display=display)
    assert (answer["model"], answer["answer"]) == ("tiny", "A network joins computers.")
    assert remembered(installed).model == str(imported.path(installed))
    assert serving.is_running(installed, settings)


def test_a_model_that_does_not_come_up_leaves_the_one_before(
    installed: Places, imported: Imported, display: Display
) -> None:
    run_up(installed)
    settings = remembered(installed)
    shutil.rmtree(imported.path(installed))
    with pytest.raises(NotServedError, match=r"did not come up: .* What ran before runs again"):
        serving.serve(installed, settings, imported, was_running=True, display=display)
    assert remembered(installed) == settings
    assert serving.is_running(installed, settings)


def test_what_was_set_while_the_weights_were_copied_is_what_comes_back(
    installed: Places, imported: Imported, display: Display
) -> None:
    before = remembered(installed)
    meanwhile = replace(before, listen="127.0.0.2")
    save(installed.config, meanwhile)
    (installed.home / "stand_in.json").write_text('{"fails": ["appliance", "init"]}')
    with pytest.raises(NotServedError):
        serving.serve(installed, before, imported, was_running=False, display=display)
    assert remembered(installed) == meanwhile


def test_where_nothing_ran_nothing_runs_after_a_failure(
    installed: Places, imported: Imported, display: Display
) -> None:
    settings = remembered(installed)
    (installed.home / "stand_in.json").write_text('{"fails": ["appliance", "init"]}')
    with pytest.raises(NotServedError, match="Nothing runs, as before"):
        serving.serve(installed, settings, imported, was_running=False, display=display)
    assert remembered(installed).model == "starter"
    assert Supervisor(installed).running() is None


def test_when_the_old_one_fails_too_it_is_told(
    installed: Places, imported: Imported, display: Display
) -> None:
    settings = remembered(installed)
    (installed.home / "stand_in.json").write_text('{"fails": ["appliance", "init"]}')
    with pytest.raises(NotServedError, match="before did not come up either"):
        serving.serve(installed, settings, imported, was_running=True, display=display)
