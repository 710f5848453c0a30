from collections.abc import Callable
from pathlib import Path

import pytest

from install.containers import undoing
from install.containers.client import connect
from install.containers.engine import Engine
from install.containers.project import Project
from install.containers.states import Containers
from install.containers.undoing import Undoing
from install.readiness import Clock
from tests.fakes.docker_engine import FakeEngine

HOME = "casemate"
PORTS = {"CASEMATE_INSTANCE_PORT": "1", "CASEMATE_GATEWAY_PORT": "1"}


@pytest.fixture
def undo(
    found: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[str]]:
    """Undoes with `late` being called while it waits; returns the compose commands it ran."""
    asked: list[str] = []
    real = Project.run

    def noted(self: Project, *words: str, **more: object) -> object:
        asked.append(" ".join(words))
        return real(self, *words, **more)  # type: ignore[arg-type]  # handed on as they are

    monkeypatch.setattr(Project, "run", noted)

    def run(ran: set[str], late: Callable[[], object] = lambda: None) -> list[str]:
        here = Project(
            name=HOME, folder=tmp_path, files=(), profiles=(), engine=found, variables=PORTS
        )
        client = connect(found.address)
        ticks = iter(range(1000))
        lates = iter([late])

        def sleep(_: float) -> None:
            next(lates, lambda: None)()

        clock = Clock(now=lambda: next(ticks) * undoing.POLL_S, sleep=sleep)
        containers = Containers(client, HOME)
        Undoing(project=here, containers=containers, ran=ran, clock=clock).undo()
        client.close()
        return asked

    return run


def test_what_appears_after_everything_was_taken_down_goes_too(
    undo: Callable[..., list[str]], engine: FakeEngine
) -> None:
    engine.start(HOME, "model-server", "x")
    undo(set(), lambda: engine.start(HOME, "lockdown", "x"))
    assert engine.containers == {}


def test_a_network_without_a_container_is_removed_as_well(
    undo: Callable[..., list[str]],
) -> None:
    assert undo(set()) == ["down --remove-orphans"]


def test_what_ran_before_goes_on(undo: Callable[..., list[str]], engine: FakeEngine) -> None:
    engine.start(HOME, "lockdown", "x")
    engine.start(HOME, "model-server", "x")
    assert undo({"lockdown"}) == ["rm --stop --force model-server"]
    assert list(engine.containers) == [f"{HOME}-lockdown-1"]
