"""Whoever is killed: it comes back once, nothing is left over, and people get an answer again."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.conftest import wait_until
from tests.system.driver import Appliance

BACK_WITHIN_S = 90
SERVICES = ("instance", "gateway", "model-server")


@pytest.fixture(autouse=True)
def ready(appliance: Appliance) -> None:
    appliance.wait_until_answered(appliance.access_token(), BACK_WITHIN_S)


def shape(appliance: Appliance) -> list[str]:
    """What runs, without the numbers that change: one word or two for each process."""
    return sorted(" ".join(each.command.split()[:3])[:60] for each in appliance.processes())


def memory_mb(appliance: Appliance) -> float:
    """Resident memory of everything that runs for this home, shared pages counted once each."""
    total = 0.0
    for each in appliance.processes():
        for line in Path(f"/proc/{each.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) / 1024
    return total


def vllm_api(appliance: Appliance) -> int:
    return next(
        each.pid
        for each in appliance.processes()
        if "vllm.entrypoints" in each.command and "guard" not in each.command
    )


def engine(appliance: Appliance) -> int:
    return next(each.pid for each in appliance.processes() if "EngineCore" in each.command)


def assert_whole_again(appliance: Appliance, before: list[str], memory_before: float) -> None:
    wait_until(lambda: appliance.casemate("status").returncode == 0, BACK_WITHIN_S)
    appliance.wait_until_answered(appliance.access_token(), BACK_WITHIN_S)
    wait_until(lambda: shape(appliance) == before, BACK_WITHIN_S)
    assert memory_mb(appliance) < 1.3 * memory_before


@pytest.mark.parametrize("service", SERVICES)
def test_a_killed_service_comes_back_alone(appliance: Appliance, service: str) -> None:
    before, memory, pid = shape(appliance), memory_mb(appliance), appliance.pid_of(service)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: appliance.pid_of(service) not in {0, pid}, BACK_WITHIN_S)
    assert_whole_again(appliance, before, memory)


@pytest.mark.parametrize("find", [vllm_api, engine])
def test_a_killed_vllm_is_unavailable_and_then_back(appliance: Appliance, find: object) -> None:
    before, memory, token = shape(appliance), memory_mb(appliance), appliance.access_token()
    assert callable(find)
    os.kill(find(appliance), signal.SIGKILL)
    wait_until(lambda: appliance.question(token).status_code == 503)
    answer = appliance.question(token)
    assert answer.json()["error"]["code"] == "model_unavailable"
    assert int(answer.headers["retry-after"]) > 0
    assert_whole_again(appliance, before, memory)


def test_the_gateway_answers_while_the_instance_is_stopped(appliance: Appliance) -> None:
    token, pid = appliance.access_token(), appliance.pid_of("instance")
    os.kill(pid, signal.SIGSTOP)
    try:
        assert appliance.question(token).status_code == 200
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_killed_supervisor_leaves_nothing_and_up_brings_all_back(appliance: Appliance) -> None:
    before, memory = shape(appliance), memory_mb(appliance)
    supervisor = int((appliance.home / "run" / "supervisord.pid").read_text())
    os.kill(supervisor, signal.SIGKILL)
    wait_until(lambda: appliance.processes() == [], 30)
    status = appliance.casemate("status")
    assert status.returncode == 3
    assert "killed" in status.stdout + status.stderr
    appliance.up()
    assert_whole_again(appliance, before, memory)


def test_down_ends_open_streams_in_time_and_leaves_nothing(appliance: Appliance) -> None:
    with appliance.client() as client:
        stream = client.chat.completions.create(
            model=appliance.told["model"],
            messages=[{"role": "user", "content": "Count."}],
            max_tokens=1900,
            stream=True,
            extra_body={"ignore_eos": True},
        )
        next(iter(stream))
        began = time.monotonic()
        assert appliance.casemate("down").returncode == 0
        took_s = time.monotonic() - began
    assert appliance.processes() == []
    assert took_s < 15, "ten seconds, and the start of the command on a busy machine"
    appliance.up()
