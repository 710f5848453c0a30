import json
from pathlib import Path

import pytest

from model_server.state import Condition, ModelState, StateFile, write_whole


def a_state_file(path: Path) -> StateFile:
    return StateFile(path, (ModelState(ref="a", port=8000), ModelState(ref="b", port=8001)))


def test_the_file_names_every_model_from_the_start(tmp_path: Path) -> None:
    a_state_file(tmp_path / "state.json")
    first, second = json.loads((tmp_path / "state.json").read_text())["models"]
    assert (first["ref"], second["ref"]) == ("a", "b")
    assert first == {
        "ref": "a", "port": 8000, "pid": None, "state": "starting",
        "reason": None, "restarts": 0, "since": 0,
    }  # fmt: skip


def test_since_moves_only_with_the_state(tmp_path: Path) -> None:
    states = a_state_file(tmp_path / "state.json")
    states.put(ModelState(ref="a", port=8000, state=Condition.READY), now=100)
    states.put(ModelState(ref="a", port=8000, state=Condition.READY, pid=7), now=200)
    assert (states.get("a").since, states.get("a").pid) == (100, 7)
    states.put(ModelState(ref="a", port=8000, state=Condition.FAILED), now=300)
    assert states.get("a").since == 300


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    write_whole(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "\ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
