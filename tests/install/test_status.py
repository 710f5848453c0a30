import json
from dataclasses import replace

import pytest

from install import readiness, stopping
from install.config import Config
from install.errors import NotReadyError
from install.places import Places
from install.readiness import Clock
from install.running import Running, started
from install.services import NAMES
from install.status import SINCE_BOOT, ModelState, Status, judge, look, read_models

READY = ModelState(ref="m", state="ready", reason=None, restarts=0, port=8000)
ANSWERING = {"instance": True, "gateway": True}


def running(**states: str) -> dict[str, Running]:
    return {
        name: Running(state=states.get(name, "running"), pid=7, since=1795233051) for name in NAMES
    }


def test_all_ready_is_ready(places: Places, config: Config) -> None:
    found = judge(places, config, running=running(), models=(READY,), ready=ANSWERING)
    assert (found.state, found.exit_code) == ("ready", 0)
    assert [service.state for service in found.services] == ["ready"] * 3


@pytest.mark.parametrize(
    ("states", "answering", "model", "words"),
    [
        ({"gateway": "backoff"}, ANSWERING, READY, ["ready", "failing", "ready"]),
        ({"instance": "starting"}, ANSWERING, READY, ["starting", "ready", "ready"]),
        ({}, {"instance": True}, READY, ["ready", "not ready", "ready"]),
        ({}, ANSWERING, replace(READY, state="failed"), ["ready", "ready", "ready"]),
        ({"gateway": "stopped"}, ANSWERING, READY, ["ready", "stopped", "ready"]),
    ],
)
def test_one_part_that_is_not_ready_degrades_the_whole(
    places: Places,
    config: Config,
    states: dict[str, str],
    answering: dict[str, bool],
    model: ModelState,
    words: list[str],
) -> None:
    found = judge(places, config, running=running(**states), models=(model,), ready=answering)
    assert (found.state, found.exit_code) == ("degraded", 1)
    assert [service.state for service in found.services] == words


def test_nothing_running_is_stopped(places: Places, config: Config) -> None:
    found = look(places, config)
    assert (found.state, found.exit_code, found.note) == ("stopped", 3, None)
    assert {service.pid for service in found.services} == {0}


def test_another_boot_is_told(places: Places, config: Config) -> None:
    text = json.dumps({"fingerprints": {}, "boot": {"id": "another"}})
    stopping.started_file(places).write_text(text)
    assert look(places, config).note == SINCE_BOOT


def test_what_up_left_is_empty_when_damaged(places: Places) -> None:
    stopping.started_file(places).write_text("{")
    assert started(places) == {}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"models": [{}]}'])
def test_a_model_state_that_cannot_be_read_is_none(places: Places, text: str) -> None:
    (places.model_state / "state.json").write_text(text)
    assert read_models(places) == ()


class Steps:
    """Statuses one after another, and a clock that each sleep moves on by a minute."""

    def __init__(self, *statuses: Status) -> None:
        self._statuses = list(statuses)
        self._time = 0.0
        self.said: list[str] = []

    def look(self) -> Status:
        return self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]

    def sleep(self, _seconds: float) -> None:
        self._time += 60

    def wait(self, places: Places) -> None:
        clock = Clock(now=lambda: self._time, sleep=self.sleep)
        readiness.wait(places, self.look, self.said.append, clock=clock)


def test_waiting_ends_when_all_is_ready(places: Places, config: Config) -> None:
    well = judge(places, config, running=running(), models=(READY,), ready=ANSWERING)
    starting = judge(places, config, running=running(), models=(), ready=ANSWERING)
    steps = Steps(starting, well)
    steps.wait(places)
    assert steps.said == ["model server starting · instance ready · gateway ready"]


@pytest.mark.parametrize(
    ("answering", "models", "said"),
    [
        ({"gateway": True}, (READY,), "The instance is not ready; see"),
        (ANSWERING, (), "The model server does not start"),
        (
            ANSWERING,
            (replace(READY, state="failed", reason="No disk."),),
            "does not start: No disk.",
        ),
        (ANSWERING, (replace(READY, state="failed"),), "does not say why"),
        (ANSWERING, (replace(READY, state="starting", restarts=3),), "The model m does not start"),
        (ANSWERING, (replace(READY, state="starting"),), "not ready after 30 minutes"),
    ],
)
def test_what_does_not_come_is_named(
    places: Places,
    config: Config,
    answering: dict[str, bool],
    models: tuple[ModelState, ...],
    said: str,
) -> None:
    status = judge(places, config, running=running(), models=models, ready=answering)
    with pytest.raises(NotReadyError, match=said):
        Steps(status).wait(places)
