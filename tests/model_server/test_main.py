import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from model_server import hardware
from model_server.__main__ import main
from tests.conftest import a_free_port
from tests.fakes.vllm_stand_in import command
from tests.model_server.builders import a_machine, a_model_folder


def a_home(folder: Path, *misbehaviour: str) -> dict[str, str]:
    """The environment of a server of one stand-in."""
    state = folder / "model_server"
    state.mkdir()
    listed = [{"ref": "m", "path": str(a_model_folder(folder / "weights"))}]
    (state / "models.json").write_text(json.dumps(listed))
    return {
        "PATH": os.environ["PATH"],
        "CASEMATE_HOME": str(folder),
        "CASEMATE_MODEL_PORT": str(a_free_port()),
        "CASEMATE_MODEL_COMMAND": json.dumps(command(*misbehaviour)),
    }


@contextmanager
def serving(environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "model_server", "serve"],
        env=environment,
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            yield child
        finally:
            child.terminate()


def event(child: subprocess.Popen[str], name: str) -> dict[str, Any]:
    """The next line with that event; fails when the output ends before."""
    assert child.stdout is not None
    for line in child.stdout:
        found: dict[str, Any] = json.loads(line)
        if found["event"] == name:
            return found
    raise AssertionError(name)


def test_serving_ends_well_on_sigterm_with_nothing_left(tmp_path: Path) -> None:
    with serving(a_home(tmp_path, "--grandchild")) as child:
        grandchild = event(child, "engine_line")["line"]
        event(child, "model_ready")
        child.terminate()
        event(child, "model_server_ended")
        assert child.wait() == 0
    with pytest.raises(ProcessLookupError):
        os.kill(int(grandchild.split()[1]), 0)


def test_a_killed_server_takes_the_engine_along(tmp_path: Path) -> None:
    with serving(a_home(tmp_path)) as child:
        event(child, "model_ready")
        state = json.loads((tmp_path / "model_server" / "state.json").read_text())
        engine = os.pidfd_open(state["models"][0]["pid"])
        child.kill()
        # A process's descriptor is readable once the process has ended.
        ended, _, _ = select.select([engine], [], [], 30)
        os.close(engine)
    assert ended


def test_a_server_without_a_list_refuses_to_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CASEMATE_HOME", str(tmp_path))
    assert main(["plan"]) == 2
    assert "models.json: cannot be read" in capsys.readouterr().err


def test_a_plan_is_printed_as_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in a_home(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(hardware, "look", a_machine)
    assert main(["plan"]) == 0
    assert json.loads(capsys.readouterr().out)["m"]["arguments"][0] == "--model"


def test_a_conversion_that_fails_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", str(tmp_path / "gone.gguf"), str(tmp_path / "m")]) == 2
    assert "[conversion_failed]" in capsys.readouterr().err
