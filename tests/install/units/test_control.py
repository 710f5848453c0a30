import pytest

from install.config import Config
from install.places import Places
from install.running import started
from install.units import texts
from install.units.control import Units, as_running
from install.units.systemctl import SystemdError, Unit
from tests.install.units.conftest import Told, a_site, planned

PRINTS = {"instance": "1", "gateway": "1", "model-server": "1", "renewal": "1"}
CONFIG = Config(systemd=True)


def up(units: Units, prints: dict[str, str] = PRINTS, config: Config = CONFIG) -> tuple[str, ...]:
    site = a_site(units.places, config)
    return units.bring_up(site, planned(units.places, config), prints).restarted


def test_the_first_time_everything_is_written_enabled_and_started(units: Units, told: Told) -> None:
    assert up(units) == ("instance", "gateway", "model-server")
    calls = told.calls()
    prefix = units.names.prefix
    assert calls[0] == "daemon-reload"
    assert f"enable --quiet {prefix}.target {prefix}-recover.service" in calls
    assert calls[-1] == f"start {prefix}.target"
    file = texts.environment_file(units.places, "instance")
    assert file.stat().st_mode & 0o777 == 0o600
    assert "CASEMATE_INSTANCE_PORT" not in (units.folder / f"{prefix}-instance.service").read_text()
    assert started(units.places)["fingerprints"] == PRINTS


def test_the_second_time_nothing_is_started_anew(units: Units, told: Told) -> None:
    up(units)
    told.calls()
    assert up(units) == ()
    assert not [line for line in told.calls() if line.startswith(("restart", "daemon-reload"))]


def test_only_what_changed_or_fell_is_started_anew(units: Units, told: Told) -> None:
    up(units)
    told.end(units.names.service("model-server"))
    assert up(units, {**PRINTS, "gateway": "2"}) == ("gateway", "model-server")


def test_a_unit_that_is_no_longer_wanted_goes(units: Units, told: Told) -> None:
    up(units, config=Config(systemd=True, tls=True))
    renewal = units.names.service("renewal")
    assert (units.folder / renewal).exists()
    told.calls()
    up(units)
    assert not (units.folder / renewal).exists()
    assert f"disable --quiet --now {renewal}" in told.calls()


def test_what_runs_is_told_in_a_supervisors_words(units: Units, told: Told) -> None:
    assert units.running() is None
    up(units)
    told.end(units.names.service("gateway"))
    found = units.running()
    assert found is not None
    states = {name: each.state for name, each in found.items()}
    assert states == {"instance": "running", "gateway": "stopped", "model-server": "running"}


@pytest.mark.parametrize(
    ("active", "sub", "word"),
    [
        ("active", "running", "running"),
        ("activating", "auto-restart", "backoff"),
        ("activating", "start-pre", "starting"),
        ("deactivating", "stop-sigterm", "stopping"),
        ("failed", "failed", "fatal"),
        ("inactive", "dead", "stopped"),
    ],
)
def test_each_state_has_its_word(active: str, sub: str, word: str) -> None:
    assert as_running(Unit(name="x", active=active, sub=sub, pid=0, since=0)).state == word


@pytest.mark.parametrize("stays_down", [True, False])
def test_a_stop_for_an_exchange_leaves_the_boot_as_it_is(
    units: Units, told: Told, *, stays_down: bool
) -> None:
    up(units)
    told.calls()
    assert units.stop(stays_down=stays_down) == 3
    disabled = [line for line in told.calls() if line.startswith("disable")]
    assert bool(disabled) == stays_down
    assert units.running() is None
    assert started(units.places) == {}


def test_nothing_is_asked_of_systemd_where_there_are_no_units(units: Units, told: Told) -> None:
    assert units.stop(stays_down=True) == 0
    units.remove()
    assert told.calls() == []


def test_removal_leaves_nothing(units: Units, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    forgotten: list[bool] = []
    monkeypatch.setattr("install.units.owner.forget", lambda: forgotten.append(True))
    up(units)
    units.remove()
    assert [*units.folder.iterdir(), *units.logrotate.iterdir()] == []
    assert not texts.environment_file(units.places, "instance").exists()
    assert told.calls()[-1] == "daemon-reload"
    assert forgotten == [True]


def test_another_homes_units_keep_the_user(units: Units, monkeypatch: pytest.MonkeyPatch) -> None:
    forgotten: list[bool] = []
    monkeypatch.setattr("install.units.owner.forget", lambda: forgotten.append(True))
    up(units)
    (units.folder / "casemate-other-instance.service").touch()
    units.remove()
    assert forgotten == []


def test_a_systemd_that_refuses_is_an_error(units: Units, told: Told) -> None:
    (told.folder / "broken").touch()
    with pytest.raises(SystemdError, match="daemon-reload"):
        up(units)


def test_the_places_are_those_of_the_home(units: Units, slotted: Places) -> None:
    assert units.places == slotted
