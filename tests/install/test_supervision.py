import configparser
import shlex
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from install import stopping, supervision
from install.config import Config, public_host
from install.errors import SupervisionError
from install.places import Places
from install.services import base_environment, environment_of, fingerprint, plan
from install.supervision import Supervisor, config_text


def parsed(places: Places, config: Config) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"))
    parser.read_string(config_text(places, plan(places, config)))
    return parser


def test_the_three_services_are_one_group(places: Places, config: Config) -> None:
    found = parsed(places, config)
    assert found["group:casemate"]["programs"] == "instance,gateway,model-server"
    for name in ("instance", "gateway", "model-server"):
        program = found[f"program:{name}"]
        assert program["stopasgroup"] == program["killasgroup"] == program["autorestart"] == "true"
        assert int(program["stopwaitsecs"]) < 10
        assert program["stdout_logfile"] == str(places.logs / f"{name}.log")


def test_each_service_is_started_through_the_leash(places: Places, config: Config) -> None:
    words = shlex.split(parsed(places, config)["program:gateway"]["command"])
    assert words[1:4] == ["-P", "-m", "install.leash"]
    assert words[words.index("--") + 1 :] == list(plan(places, config)[1].command)


def test_the_socket_is_for_its_owner_only(places: Places, config: Config) -> None:
    found = parsed(places, config)
    assert found["unix_http_server"]["chmod"] == "0600"
    assert found["supervisord"]["umask"] == "077"


@pytest.mark.parametrize(("uid", "is_there"), [(0, True), (1000, False)])
def test_root_says_that_it_means_to_be_root(config: Config, uid: int, is_there: bool) -> None:
    places = Places(home=Path("/srv/casemate"), uid=uid)
    assert ("user" in parsed(places, config)["supervisord"]) == is_there


def test_a_percent_sign_and_a_space_survive(config: Config) -> None:
    places = Places(home=Path("/srv/50%s off"), uid=0)
    found = parsed(places, config)["program:instance"]
    assert found["directory"] == "/srv/50%%s off"
    words = shlex.split(found["command"].replace("%%", "%"))
    assert words[0] == "/srv/50%s off/envs/services/bin/python"


def test_settings_of_a_service_are_not_in_the_configuration(places: Places, config: Config) -> None:
    config = replace(config, handed_on={"CASEMATE_DATABASE_URL": "postgresql://u:geheim@h/d"})
    assert "geheim" not in config_text(places, plan(places, config))
    assert "geheim" not in repr(plan(places, config))
    assert "geheim" in environment_of(places, config, "instance")["CASEMATE_DATABASE_URL"]
    for name in ("gateway", "model-server"):
        assert "CASEMATE_DATABASE_URL" not in environment_of(places, config, name)


def test_proxies_and_a_foreign_python_path_are_not_handed_on() -> None:
    given = {"PATH": "/bin", "LC_ALL": "C", "CUDA_VISIBLE_DEVICES": "1", "HTTPS_PROXY": "x"}
    given |= {"PYTHONPATH": "/evil", "PIP_INDEX_URL": "x"}
    assert set(base_environment(given)) == {"PATH", "LC_ALL", "CUDA_VISIBLE_DEVICES"}


def test_a_fingerprint_follows_settings_and_sources(places: Places, config: Config) -> None:
    first = plan(places, config)[1]
    moved = plan(places, replace(config, gateway_port=1))[1]
    made_from = {"gateway": "1"}
    assert fingerprint(first, made_from) == fingerprint(first, dict(made_from))
    assert fingerprint(first, made_from) != fingerprint(moved, made_from)
    assert fingerprint(first, made_from) != fingerprint(first, {"gateway": "2"})


def test_others_are_told_an_address_they_can_reach(config: Config) -> None:
    assert public_host(config) == "127.0.0.1"
    assert public_host(replace(config, listen="10.1.2.3")) == "10.1.2.3"
    assert public_host(replace(config, listen="::")) == socket.gethostname()


def test_no_supervisor_answers_nothing(places: Places) -> None:
    assert Supervisor(places).running() is None
    assert stopping.find_supervisor(places) is None
    assert stopping.stop_everything(places) == 0


def test_a_process_number_taken_by_another_is_no_supervisor(places: Places) -> None:
    stopping.pid_file(places).write_text("1\n")
    assert stopping.find_supervisor(places) is None


def test_a_supervisor_that_cannot_start_says_why(installed: Places, config: Config) -> None:
    services = plan(installed, config)
    (installed.logs / "supervisord.log").mkdir()
    with pytest.raises(SupervisionError, match="did not start"):
        supervision.bring_up(installed, services, {})
