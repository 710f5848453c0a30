from dataclasses import replace
from pathlib import Path

import pytest

from install.config import Config
from install.errors import UnfitMachineError
from install.places import Places
from install.units import machine
from install.units.systemctl import Systemd
from tests.install.units.conftest import Told

HOME = Places(home=Path("/var/lib/casemate"), uid=0)
WISH = Config(systemd=True)


def test_a_machine_that_fits_has_no_problem(told: Told) -> None:
    systemd = Systemd(program=told.program)
    assert machine.problems(HOME, WISH, systemd=systemd, is_booted=True) == ()


def test_nothing_is_looked_at_unless_it_is_wished_for() -> None:
    machine.check(replace(HOME, uid=1000), Config(), systemd=Systemd(program="/no/such"))


@pytest.mark.parametrize(
    ("places", "config", "said"),
    [
        (replace(HOME, uid=1000), WISH, "is for root"),
        (Places(home=Path("/tmp/home"), uid=0), WISH, "hidden from units"),  # noqa: S108
        (HOME, replace(WISH, model="/tmp/model"), "/tmp/model is hidden"),  # noqa: S108
    ],
)
def test_each_problem_is_a_sentence(told: Told, places: Places, config: Config, said: str) -> None:
    systemd = Systemd(program=told.program)
    found = machine.problems(places, config, systemd=systemd, is_booted=True)
    assert any(said in sentence for sentence in found), found


def test_an_old_systemd_and_none_are_problems(told: Told) -> None:
    program = Path(told.program)
    program.write_text(program.read_text().replace("systemd 252", "systemd 245"))
    systemd = Systemd(program=told.program)
    (old,) = machine.problems(HOME, WISH, systemd=systemd, is_booted=True)
    (none,) = machine.problems(HOME, WISH, systemd=systemd, is_booted=False)
    assert "245" in old
    assert "not started by systemd" in none


def test_a_home_that_only_root_may_enter_is_refused(told: Told, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o700)
    places = Places(home=tmp_path / "closed" / "home", uid=0)
    systemd = Systemd(program=told.program)
    found = machine.problems(places, WISH, systemd=systemd, is_booted=True)
    assert any("entered by root alone" in sentence for sentence in found)
    with pytest.raises(UnfitMachineError):
        machine.check(places, WISH, systemd=systemd)
