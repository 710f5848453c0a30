import pytest

from install import keepers, services, supervision
from install.config import Config
from install.errors import SettingError
from install.places import Places
from install.running import Started
from install.units import control

BY_SYSTEMD = Config(systemd=True)
BROUGHT = Started(restarted=("instance",), was_running=False, strays=0)


def brought_up(places: Places, config: Config, *, foreground: bool = False) -> Started:
    planned = services.plan(places, config)
    return keepers.bring_up(
        places, config, planned, fingerprints={}, device="cpu", foreground=foreground
    )


def test_systemd_keeps_the_services_where_it_was_told_to(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "bring_up", lambda *_args, **_kw: BROUGHT)
    assert brought_up(places, BY_SYSTEMD) == BROUGHT


def test_systemd_keeps_nothing_in_the_foreground(places: Places) -> None:
    with pytest.raises(SettingError, match="--no-systemd"):
        brought_up(places, BY_SYSTEMD, foreground=True)


def test_a_supervisor_takes_over_from_systemd(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed: list[Places] = []
    monkeypatch.setattr(control.Units, "remove", lambda units: removed.append(units.places))
    monkeypatch.setattr(supervision, "bring_up", lambda *_args, **_kw: BROUGHT)
    assert brought_up(places, Config()) == BROUGHT
    assert removed == [places]


def test_whoever_keeps_them_a_stop_ends_them(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[bool] = []

    def stop(_units: control.Units, *, stays_down: bool) -> int:
        told.append(stays_down)
        return 3

    monkeypatch.setattr(control.Units, "stop", stop)
    assert keepers.stop(places, stays_down=True) == 3
    assert told == [True]


@pytest.mark.parametrize("config", [Config(), BY_SYSTEMD])
def test_nothing_runs_where_nothing_was_started(places: Places, config: Config) -> None:
    assert keepers.running(places, config) is None


def test_the_services_user_is_made_before_its_files_are(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared: list[Places] = []
    monkeypatch.setattr(control, "prepare", prepared.append)
    keepers.prepare(places, Config())
    assert prepared == []
    keepers.prepare(places, BY_SYSTEMD)
    assert prepared == [places]
