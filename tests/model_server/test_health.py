import json
import subprocess
import sys
from pathlib import Path

import pytest

from model_server import health
from model_server.state import Condition, ModelState, StateFile


def a_state(path: Path, *conditions: Condition, reason: str | None = None) -> Path:
    models = tuple(
        ModelState(ref=f"m{number}", port=8000 + number, state=condition, reason=reason)
        for number, condition in enumerate(conditions)
    )
    StateFile(path, models)
    return path


def test_all_models_ready_is_healthy(tmp_path: Path) -> None:
    state = a_state(tmp_path / "state.json", Condition.READY, Condition.READY)
    assert health.unready(state) == []


def test_each_model_that_is_not_ready_is_named_with_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    assert health.unready(a_state(path, Condition.READY, Condition.STARTING)) == [
        "m1 is starting: not yet ready."
    ]
    assert health.unready(a_state(path, Condition.FAILED, reason="No memory.")) == [
        "m0 is failed: No memory."
    ]


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"models": [{}]}', '{"models": 1}'])
def test_a_state_that_cannot_be_read_is_not_healthy(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "state.json"
    if content is not None:
        path.write_text(content)
    assert health.unready(path) == ["There is no readable state of the models yet."]


def test_it_runs_alone_without_any_package(tmp_path: Path) -> None:
    state = a_state(tmp_path / "state.json", Condition.READY)
    words = [sys.executable, "-IS", health.__file__, str(state)]
    assert subprocess.run(words, check=False).returncode == 0
    state.write_text(json.dumps({"models": [{"ref": "m", "state": "failed", "reason": "Why."}]}))
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "m is failed: Why.\n")


def test_main_reads_the_state_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["health.py", str(tmp_path / "missing.json")])
    assert health.main() == 1
    assert "no readable state" in capsys.readouterr().out
