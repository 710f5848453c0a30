from collections.abc import Iterator

import pytest

from install.containers.client import connect
from install.containers.errors import EngineFailedError, UnhealthyError
from install.containers.states import Containers, Waiting
from install.readiness import Clock
from tests.fakes.docker_engine import FakeEngine


@pytest.fixture
def containers(engine: FakeEngine) -> Iterator[Containers]:
    engine.ports = {"instance": 1, "gateway": 1}
    engine.start("casemate", "lockdown", "x")
    client = connect(f"unix://{engine.socket}")
    yield Containers(client, "casemate")
    client.close()


def waiting(containers: Containers, **before: int) -> Waiting:
    ticks = iter(range(1000))
    clock = Clock(now=lambda: float(next(ticks)), sleep=lambda _: None)
    return Waiting(
        containers=containers,
        wanted={"lockdown": 5.0},
        before=before,
        say=lambda _: None,
        clock=clock,
    )


def change(engine: FakeEngine, **state: object) -> str:
    container = engine.containers["casemate-lockdown-1"]
    container["State"].update(state)
    return str(container["Id"])


def test_a_healthy_service_is_waited_for_no_more(containers: Containers) -> None:
    waiting(containers).until_healthy()


def test_a_service_that_only_starts_is_given_its_time(
    containers: Containers, engine: FakeEngine
) -> None:
    change(engine, Health={"Status": "starting"})
    with pytest.raises(UnhealthyError, match="lockdown is starting"):
        waiting(containers).until_healthy()


def test_one_that_is_being_stopped_is_not_taken_for_a_failure(
    containers: Containers, engine: FakeEngine
) -> None:
    identity = change(engine, Status="exited", Health={"Status": "unhealthy"})
    assert not waiting(containers).look()
    change(engine, Status="running")
    waiting(containers, **{identity: 0}).look_at_new()
    with pytest.raises(UnhealthyError):
        waiting(containers).look_at_new()


def test_a_log_of_a_container_that_is_gone_is_empty(
    containers: Containers, engine: FakeEngine
) -> None:
    found = containers.services()["lockdown"]
    assert containers.last_lines(found) == ["the end of /casemate-lockdown-1"]
    engine.containers.clear()
    assert containers.last_lines(found) == []
    assert containers.models(found) == ()


def test_an_engine_that_goes_away_is_told(containers: Containers, engine: FakeEngine) -> None:
    engine.info["is_away"] = True
    with pytest.raises(EngineFailedError, match="The engine failed"):
        containers.services()


def test_what_interrupted_commands_left_is_removed(
    containers: Containers, engine: FakeEngine
) -> None:
    labels = {
        "com.docker.compose.project": "casemate",
        "com.docker.compose.oneoff": "True",
        "com.docker.compose.service": "instance",
    }
    engine.add_container("casemate-instance-run-1", "x", labels)
    containers.remove_one_offs()
    assert list(engine.containers) == ["casemate-lockdown-1"]
