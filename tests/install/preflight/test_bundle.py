import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from install.config import Config
from install.errors import UnfitMachineError
from install.places import Places
from install.preflight import bundle, machine
from install.preflight.findings import Report
from tests.install.preflight.builders import a_manifest, a_model

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def small_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "MEMORY_BYTES", 0)
    monkeypatch.setattr("install.preflight.system.SLOW_BYTES_PER_S", 0)


def look(places: Places, config: Config, **manifest: object) -> Report:
    made = a_manifest(**manifest)  # type: ignore[arg-type]  # as the builder takes them
    return bundle.check(places, config, made, device="cpu", now=lambda: NOW)


def test_a_fit_machine_takes_a_bundle(places: Places, config: Config) -> None:
    found = look(places, config)
    assert found.problems == ()
    assert {"bundle", "machine", "memory", "ports", "clock", "disk speed"} <= set(found.facts)
    assert found.as_dict()["fit"]


def test_every_problem_is_told_at_once(places: Places, config: Config) -> None:
    taken = replace(config, gateway_port=config.instance_port)
    found = look(
        places, taken, architecture="s390x", devices=["cuda"], made_at="2026-12-01T00:00:00Z"
    )
    words = ("is for s390x", "for cuda, and cpu", "cannot both listen", "set the clock")
    assert all(any(word in problem for problem in found.problems) for word in words)
    assert len(found.problems) == len(words)


def test_a_clock_before_the_newest_receipt_is_a_problem(places: Places, config: Config) -> None:
    places.receipts.mkdir()
    receipt = json.dumps({"at": "2026-11-09T00:00:00+00:00"})
    (places.receipts / "0001-apply.json").write_text(json.dumps({"receipt": receipt}))
    assert "receipt 0001-apply.json" in look(places, config).problems[0]
    (places.receipts / "0002-apply.json").write_text("damaged")
    assert look(places, config).problems == ()


def test_a_model_that_does_not_fit_is_a_problem(places: Places, config: Config) -> None:
    sizes = {"models/tiny/model.safetensors": 10**15, "wheels/services/a.whl": 1}
    found = look(places, config, sizes=sizes, models=[a_model()])
    assert any("tiny does not fit" in problem for problem in found.problems)
    assert any("GB free" in problem for problem in found.problems)


def test_without_a_bundle_the_machine_alone_is_looked_at(places: Places, config: Config) -> None:
    found = bundle.check(places, config, None, device="cpu", now=lambda: NOW)
    assert found.problems == ()
    assert "bundle" not in found.facts


def test_a_gpu_that_is_asked_for_must_be_there(
    places: Places, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("install.preflight.probes.gpus", lambda: ())
    found = bundle.check(places, config, a_manifest(devices=["cuda"]), device="cuda")
    assert any("shows no GPU" in problem for problem in found.problems)


def test_what_is_wrong_with_the_engine_is_told(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> str:
        raise UnfitMachineError(["The engine is odd."])

    monkeypatch.setattr("install.containers.machine.check", refuse)
    monkeypatch.setenv("PATH", "")
    found = bundle.check(places, Config(containers=True), a_manifest(), device="cpu")
    assert "The engine is odd." in found.problems
