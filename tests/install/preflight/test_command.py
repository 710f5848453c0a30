import json
from pathlib import Path

import pytest

from install.config import Config, save
from install.places import Places
from install.preflight import machine
from tests.bundle_builders import a_bundle, the_signing_key
from tests.install.conftest import Run


@pytest.fixture(autouse=True)
def small_machine(monkeypatch: pytest.MonkeyPatch, places: Places, config: Config) -> None:
    monkeypatch.setattr(machine, "MEMORY_BYTES", 0)
    monkeypatch.setattr(machine, "RUNNING_BYTES", 0)
    monkeypatch.setattr("install.preflight.system.SLOW_BYTES_PER_S", 10**15)
    save(places.config, config)


def test_the_machine_is_shown_with_what_will_do_but_not_well(casemate: Run) -> None:
    code, out, _ = casemate("preflight")
    assert code == 0
    assert "disk speed" in out
    assert "The disk is slow" in out


def test_what_of_a_bundle_does_not_fit_has_an_exit_code(
    casemate: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASEMATE_DEVICE", "cuda")
    path = a_bundle(tmp_path / "x.bundle", {"wheels/services/a-1-py3-none-any.whl": b"x"})
    code, out, _ = casemate("preflight", str(path), "--json")
    found = json.loads(out)
    assert (code, found["fit"]) == (2, False)
    assert any("give --device" in problem for problem in found["problems"])


def test_whose_a_bundle_is_is_shown(casemate: Run, tmp_path: Path) -> None:
    path = a_bundle(tmp_path / "x.bundle", {"docs/a": b"a"})
    signer = the_signing_key().fingerprint
    assert signer in casemate("preflight", str(path))[1]
    told = json.loads(casemate("preflight", str(path), "--json")[1])
    assert told["signer"]["fingerprint"] == signer


def test_a_file_that_is_no_bundle_is_refused(casemate: Run, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    assert casemate("preflight", str(tmp_path / "x"))[0] == 2
