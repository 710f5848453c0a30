import json

import pytest

from install import cli, contents
from install.config import Config, save
from install.errors import InterruptError
from install.places import Places
from install.supervision import Supervisor
from tests.fakes import parts
from tests.install.conftest import Run


@pytest.mark.usefixtures("places")
@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["down"],
        ["ask", "x"],
        ["token"],
        ["logs"],
        ["models", "list"],
        ["users", "x"],
        ["clock", "show"],
        ["keys", "list"],
    ],
)
def test_without_an_appliance_every_command_says_how_to_make_one(
    casemate: Run, words: list[str]
) -> None:
    code, _, err = casemate(*words)
    assert code == 3
    assert "python3 -m install up" in err


def test_a_gateway_that_is_down_is_named(casemate: Run, places: Places, config: Config) -> None:
    save(places.config, config)
    contents.token_file(places).write_text(parts.TOKEN)
    code, _, err = casemate("ask", "x")
    assert (code, "The instance does not answer" in err) == (1, True)


def test_users_are_made_on_this_machine(casemate: Run, installed: Places, config: Config) -> None:
    save(installed.config, config)
    code, _, _ = casemate("users", "create", "anna", "--admin")
    assert code == 0


def test_logs_show_the_ends_of_all_services(casemate: Run, places: Places, config: Config) -> None:
    save(places.config, config)
    (places.logs / "gateway.log").write_text("one\ntwo\nthree\n")
    assert casemate("logs", "gateway", "-n", "2")[1] == "two\nthree\n"
    assert "gateway      three" in casemate("logs")[1]
    code, _, err = casemate("logs", "nginx")
    assert (code, "There is no log 'nginx'" in err) == (2, True)


def test_status_and_down_of_what_is_stopped(casemate: Run, places: Places, config: Config) -> None:
    save(places.config, config)
    code, out, _ = casemate("status", "--json")
    assert (code, json.loads(out)["state"]) == (3, "stopped")
    assert "is stopped" in casemate("status")[1]
    assert casemate("down")[:2] == (0, "Nothing was running.\n")
    assert json.loads(casemate("down", "--json")[1])["processes"] == 0


def test_up_status_and_down_as_a_person_types_them(
    casemate: Run, installed: Places, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(installed.config, config)
    monkeypatch.setattr("install.preflight.machine.MEMORY_BYTES", 0)
    code, out, err = casemate("up", "--json", "--device", "cpu")
    assert (code, json.loads(out)["answer"]) == (0, "A network joins computers.")
    assert "8/8 Ask a first question" in err
    assert "is ready" in casemate("status")[1]
    assert "processes ended" in casemate("down")[1]
    assert Supervisor(installed).running() is None


def test_up_in_the_foreground_stops_all_when_interrupted(
    casemate: Run, installed: Places, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_seconds: float) -> None:
        raise InterruptError

    save(installed.config, config)
    monkeypatch.setattr("install.preflight.machine.MEMORY_BYTES", 0)
    stay = cli._stay

    def stay_shortly(places: Places) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cli, "_pause", interrupt)
            stay(places)

    monkeypatch.setattr(cli, "_stay", stay_shortly)
    code, out, _ = casemate("up", "--foreground", "--device", "cpu")
    assert code == 0
    assert "casemate status" in out
    assert Supervisor(installed).running() is None


def test_the_version_is_told(casemate: Run) -> None:
    assert casemate("version")[1].startswith("casemate ")
