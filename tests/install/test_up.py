import io
import json
import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from install import config, processes, readiness, status, stopping, summary, up
from install.config import Config
from install.errors import AlreadyWorkingError, NotReadyError, SetUpCommandError
from install.first_question import FirstQuestion
from install.locking import held
from install.options import UpOptions
from install.outcome import Outcome
from install.places import Places
from install.preflight import machine
from install.progress import Display
from install.supervision import Supervisor

FIRST = FirstQuestion(answer=None, refusal="Nothing answers here.", is_demo_licence=False)


@pytest.fixture(autouse=True)
def small_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "MEMORY_BYTES", 0)
    monkeypatch.setattr(machine, "RUNNING_BYTES", 0)


def go_up(places: Places, settings: Config, **flags: object) -> Outcome:
    told = {name: getattr(settings, name) for name in config.PORT_FIELDS}
    told |= {"device": "cpu", **flags}
    options = UpOptions(json=False, foreground=False, flags=told)
    return up.run(places, options, Display(io.StringIO(), live=False, colour=False))


def test_up_ends_with_a_real_answer(installed: Places, config: Config) -> None:
    outcome = go_up(installed, config)
    assert outcome.answer == "A network joins computers."
    assert outcome.tokens_per_second > 0
    assert outcome.restarted == ("instance", "gateway", "model-server")


def test_the_json_object_has_the_promised_names(installed: Places, config: Config) -> None:
    found = json.loads(json.dumps(go_up(installed, config).as_dict()))
    promised = "home instance_url gateway_url model_url username password_file token_file model"
    assert set(promised.split()) <= set(found)
    assert found["model"] == "smollm2-135m-instruct"
    assert Path(found["token_file"]).exists()


def test_a_second_up_restarts_and_changes_nothing(installed: Places, config: Config) -> None:
    go_up(installed, config)
    before = Supervisor(installed).running()
    secrets = {path: path.read_bytes() for path in installed.credentials.iterdir()}
    assert {"demo_authority.pem", "demo_licence.json"} <= {path.name for path in secrets}
    again = go_up(installed, config)
    assert again.restarted == ()
    assert Supervisor(installed).running() == before
    assert {path: path.read_bytes() for path in installed.credentials.iterdir()} == secrets


def test_up_marks_a_demonstration(installed: Places, config: Config) -> None:
    outcome = go_up(installed, config)
    assert outcome.is_demo_licence
    said = io.StringIO()
    summary.show(outcome, said)
    assert "DEMO LICENCE" in said.getvalue()


def test_a_bare_up_asks_nothing_and_says_what_to_do(
    installed: Places, config: Config, wish: Callable[..., None]
) -> None:
    wish(unlicensed=True)
    outcome = go_up(installed, config, bare=True)
    assert (outcome.answer, outcome.not_asked) == ("", "Nothing is bought.")
    assert not (installed.credentials / "demo_authority.pem").exists()
    said = io.StringIO()
    summary.show(outcome, said)
    assert "casemate licence add FILE" in said.getvalue()


def test_another_model_restarts_the_model_server_only(
    installed: Places, config: Config, tmp_path: Path
) -> None:
    go_up(installed, config)
    folder = tmp_path / "Other Model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_text("weights")
    outcome = go_up(installed, config, model=str(folder))
    assert outcome.model == "other-model"
    assert outcome.restarted == ("model-server",)
    assert "model.ref" in outcome.changed
    assert not outcome.is_demonstration


def test_new_sources_of_one_part_restart_that_part(installed: Places, config: Config) -> None:
    go_up(installed, config)
    path = installed.wheels / "sources.json"
    text = json.dumps({**json.loads(path.read_text()), "appliance": "2"})
    path.write_text(text)
    for folder in (installed.services, installed.model_server):
        stamp = folder / "stamp.json"
        stamp.write_text(json.dumps({**json.loads(stamp.read_text()), "sources": json.loads(text)}))
    assert go_up(installed, config).restarted == ("instance",)


def test_another_port_is_remembered(
    installed: Places, config: Config, unused_port: Callable[[], int]
) -> None:
    go_up(installed, config)
    moved = replace(config, gateway_port=unused_port())
    assert "gateway" in go_up(installed, moved).restarted
    again = go_up(installed, Config(), **dict.fromkeys(("instance_port", "gateway_port")))
    assert again.gateway_url.endswith(str(moved.gateway_port))


@pytest.fixture
def unused_port() -> Callable[[], int]:
    def find() -> int:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            return int(probe.getsockname()[1])

    return find


def test_a_killed_supervisor_leaves_nothing_and_up_brings_all_back(
    installed: Places, config: Config
) -> None:
    go_up(installed, config)
    supervisor = stopping.find_supervisor(installed)
    assert supervisor
    members = processes.descendants(supervisor.pid)
    os.kill(supervisor.pid, signal.SIGKILL)
    wait_until(lambda: not any(processes.is_alive(each) for each in members))
    assert status.look(installed, config).note == status.KILLED
    assert go_up(installed, config).answer
    assert stopping.find_supervisor(installed) != supervisor


def wait_until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_killed_service_is_started_again(installed: Places, config: Config) -> None:
    go_up(installed, config)
    supervisor = Supervisor(installed)
    before = (supervisor.running() or {})["gateway"].pid
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: status.look(installed, config).services[1].pid not in {0, before})
    wait_until(lambda: status.look(installed, config).state == "ready")


def test_down_leaves_no_process(installed: Places, config: Config) -> None:
    go_up(installed, config)
    assert len(processes.services_of(installed.home)) >= 3
    assert stopping.stop_everything(installed) >= 4
    assert processes.services_of(installed.home) == []
    assert status.look(installed, config).state == "stopped"
    assert status.look(installed, config).note is None


def test_a_model_that_fails_is_told_with_its_reason(
    installed: Places, config: Config, wish: Callable[..., None]
) -> None:
    wish(model_state={"state": "failed", "reason": "The weights are damaged."})
    with pytest.raises(NotReadyError, match="The weights are damaged"):
        go_up(installed, config)


def test_a_failing_set_up_command_is_named(
    installed: Places, config: Config, wish: Callable[..., None]
) -> None:
    wish(fails=["appliance", "init"])
    with pytest.raises(SetUpCommandError, match=r"appliance init.*it is broken"):
        go_up(installed, config)


def test_a_second_up_at_once_says_so(installed: Places, config: Config) -> None:
    with held(installed), pytest.raises(AlreadyWorkingError):
        go_up(installed, config)


def test_a_setting_taken_over_is_named_with_both_values() -> None:
    before, now = Config(), Config(gateway_port=6000)
    assert up.taken_over(before, now) == ["gateway port: 5052 becomes 6000."]
    assert up.taken_over(None, now) == []


def test_no_secret_lies_in_the_supervisors_configuration(
    installed: Places, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASEMATE_DATABASE_URL", "postgresql://u:geheim@127.0.0.1/db")
    go_up(installed, config)
    assert "geheim" not in stopping.config_file(installed).read_text()
    for process in processes.services_of(installed.home):
        assert b"geheim" not in (processes.PROC / str(process.pid) / "cmdline").read_bytes()
    assert installed.config.stat().st_mode & 0o777 == 0o600


def test_up_with_tls_restarts_what_speaks_it_and_nothing_else(
    installed: Places, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_up(installed, config)
    # The stand-ins speak no TLS, so that nothing there becomes ready.
    monkeypatch.setattr(readiness, "wait", lambda *_: None)
    monkeypatch.setattr(up, "ask_first", lambda *_, **__: FIRST)
    told = go_up(installed, config, tls=True)
    assert told.restarted == ("instance", "gateway")
    assert told.ca_file == str(installed.authorities)
    assert told.instance_url.startswith("https:")
    running = Supervisor(installed).running() or {}
    assert running["renewal"].state in {"running", "starting"}
    said = io.StringIO()
    summary.show(told, said)
    assert "curl --cacert" in said.getvalue()
    assert go_up(installed, config).restarted == ()
    back = go_up(installed, config, tls=False)
    assert (back.restarted, back.ca_file) == (("instance", "gateway"), None)
    assert (Supervisor(installed).running() or {})["renewal"].state in {"stopped", "exited"}


def test_an_address_that_still_says_http_is_named() -> None:
    told = {
        "CASEMATE_INSTANCE_PUBLIC_URL": "http://box",
        "CASEMATE_GATEWAY_PUBLIC_URL": "https://b",
    }
    assert up.plain_addresses(Config(handed_on=told)) == []
    lines = up.plain_addresses(Config(tls=True, handed_on=told))
    assert [line.split()[0] for line in lines] == ["CASEMATE_INSTANCE_PUBLIC_URL"]
