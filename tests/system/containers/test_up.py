"""The appliance as containers: up, asked, killed, taken down and up again, as a user does it."""

import json
import time
from pathlib import Path

import pytest

from tests.conftest import wait_until
from tests.system.containers.driver import ContainerAppliance
from tests.system.containers.idle import SERVICES, forget
from tests.system.containers.machine import Machine
from tests.system.containers.outside import HostService, Outside

BACK_WITHIN_S = 90
STOPPED_IN_S = 20
ENDED_AS_TOLD = {"0", "143"}


def is_ready(appliance: ContainerAppliance) -> bool:
    return bool(appliance.status()["state"] == "ready")


@pytest.fixture(autouse=True)
def ready(appliance: ContainerAppliance) -> None:
    """Whatever other tests did to its engine."""
    wait_until(lambda: is_ready(appliance), BACK_WITHIN_S)


def kept(home: Path) -> dict[str, str]:
    """What must never be made twice."""
    folders = (home / "credentials", home / "containers" / "secrets")
    return {path.name: path.read_text() for each in folders for path in sorted(each.iterdir())}


def test_a_first_answer_comes_by_the_token_of_the_instance_and_streamed(
    appliance: ContainerAppliance,
) -> None:
    assert appliance.told["answer"] == "Yes, from the stand-in."
    lines = appliance.stream(appliance.access_token())
    events = [json.loads(each.removeprefix("data: ")) for each in lines[:-1]]
    words = [event["choices"][0]["delta"]["content"] for event in events if event["choices"]]
    assert "".join(words) == "Yes, from the stand-in."
    assert lines[-1] == "data: [DONE]"
    assert appliance.stream("not-a-token")[0].startswith("401 ")


def test_a_second_up_restarts_nothing_and_makes_no_secret_anew(
    appliance: ContainerAppliance,
) -> None:
    before = kept(appliance.home)
    assert {"admin_token", "admin_password", "master_key", "model_api_key"} <= set(before)
    assert appliance.up()["restarted"] == []
    assert kept(appliance.home) == before


def test_status_logs_and_questions_work_as_for_processes(appliance: ContainerAppliance) -> None:
    assert is_ready(appliance)
    assert appliance.casemate("ask", "Hello?").stdout == "Yes, from the stand-in.\n"
    logs = appliance.casemate("logs", "gateway")
    assert logs.returncode == 0
    assert "gateway_started" in logs.stdout


def test_a_demonstration_is_licensed_and_marked_as_for_processes(
    appliance: ContainerAppliance,
) -> None:
    assert appliance.told["is_demo_licence"]
    assert "DEMO LICENCE" in appliance.casemate("status").stdout
    assert json.loads(appliance.casemate("setup", "--json").stdout)["verdict"] == "permitted"
    verified = appliance.casemate("audit", "verify", "--database")
    assert (verified.returncode, json.loads(verified.stdout)["intact"]) == (0, True)


def test_nothing_gets_out_of_the_real_containers(
    appliance: ContainerAppliance, outside: Outside, host_service: HostService
) -> None:
    forget(outside, host_service)
    found = appliance.containers.probe_all()
    for service in SERVICES:
        assert found[service].reached == {}, service
        assert len(found[service].peers) == len(SERVICES) - 1, service
    assert outside.notes.all() == []
    assert host_service.notes.all() == []


def test_ports_on_loopback_are_closed_to_the_outside(
    appliance: ContainerAppliance, outside: Outside
) -> None:
    port = appliance.told["gateway_url"].rpartition(":")[2]
    with pytest.raises(AssertionError, match="URLError"):
        outside.get(f"http://198.51.100.1:{port}/monitoring/ready")


@pytest.mark.parametrize("end", ["kill", "cut"])
def test_everything_comes_back_by_itself_after_the_engine_died(
    end: str, appliance: ContainerAppliance, machine: Machine
) -> None:
    before, token = kept(appliance.home), appliance.access_token()
    machine.tell(end)
    assert appliance.casemate("status").returncode != 0
    machine.start()
    wait_until(lambda: is_ready(appliance), BACK_WITHIN_S)
    # Signed before the engine died: keys and users are the same.
    assert appliance.stream(token)[-1] == "data: [DONE]"
    assert appliance.stream(appliance.access_token())[-1] == "data: [DONE]"
    assert kept(appliance.home) == before


def test_down_ends_all_in_order_and_up_finds_all_as_it_was(
    appliance: ContainerAppliance, machine: Machine
) -> None:
    before, token, began = kept(appliance.home), appliance.access_token(), time.time()
    assert appliance.casemate("down").returncode == 0
    codes = machine.docker(
        *("events", "--since", str(int(began)), "--until", str(int(time.time()) + 1)),
        *("--filter", "event=die", "--format", "{{.Actor.Attributes.exitCode}}"),
    ).stdout.split()
    assert codes
    assert set(codes) <= ENDED_AS_TOLD
    assert appliance.containers.found("ps", "-a") == []
    assert appliance.containers.found("network", "ls") == []
    assert appliance.casemate("status").returncode == 3
    told = appliance.up()
    assert set(told["restarted"]) == {*SERVICES, "lockdown"}
    assert told["changed"] == []
    assert kept(appliance.home) == before
    assert appliance.stream(token)[-1] == "data: [DONE]"
