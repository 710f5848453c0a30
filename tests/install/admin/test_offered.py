import json
from collections.abc import Callable
from typing import Any

import pytest

from install.places import Places
from tests.install.conftest import Run

MODEL = {
    "ref": "big",
    "name": "Big",
    "family": None,
    "provider": "duo",
    "release_state": "GA",
    "why_unusable": None,
    "features": ["duo_chat"],
    "beta_for": ["code_completions"],
    "default_for": ["duo_chat"],
}
STATE: dict[str, Any] = {
    "source": "http://gateway.test",
    "succeeded_at": "2026-11-21T12:00:00+00:00",
    "due_at": "2026-11-21T12:10:00+00:00",
    "failure": None,
    "problems": [],
}
PROBLEMS = [
    {"entry": "unit_primitives[0].selectable_models[0]", "sentence": "It is not in models."},
    {"entry": "", "sentence": "There is more."},
]
NOTHING = {"added": 0, "changed": 0, "retired": 0}


@pytest.fixture(autouse=True)
def running(parts_running: Places) -> Places:
    return parts_running


def test_offered_models_are_listed_with_what_is_wrong(
    casemate: Run, wish: Callable[..., None]
) -> None:
    away = {**MODEL, "ref": "away", "features": [], "beta_for": [], "default_for": []}
    away["why_unusable"] = "The gateway no longer offers it."
    wish(offered=[MODEL, away], sync={**STATE, "problems": PROBLEMS})
    _, out, _ = casemate("models", "offered")
    words = (
        "big",
        "1 and 1 as a trial",
        "no longer",
        "Read from http://gateway.test at 2026",
    )
    assert all(each in " ".join(out.split()) for each in words)
    assert "  ! unit_primitives[0].selectable_models[0]: It is not in models.\n" in out
    assert out.endswith("  ! There is more.\n")
    assert json.loads(casemate("models", "offered", "--json")[1])["models"] == [MODEL, away]


def test_a_gateway_that_was_not_asked_yet_is_told_so(casemate: Run) -> None:
    assert "`casemate models sync` asks it" in casemate("models", "offered")[1]


@pytest.mark.parametrize(
    ("changes", "said"),
    [({**NOTHING, "added": 2, "retired": 1}, "2 added, 1 retired."), (NOTHING, "Nothing changed.")],
)
def test_a_sync_says_what_it_changed(
    casemate: Run, wish: Callable[..., None], changes: dict[str, int], said: str
) -> None:
    wish(changes=changes, sync=STATE)
    code, out, _ = casemate("models", "sync")
    assert (code, out.splitlines()[0]) == (0, said)
    assert json.loads(casemate("models", "sync", "--json")[1])["changes"] == changes


def test_a_sync_that_fails_says_why_and_when_it_is_tried_again(
    casemate: Run, wish: Callable[..., None]
) -> None:
    failed = {**STATE, "succeeded_at": None, "failure": "The gateway answered 500."}
    wish(changes=NOTHING, sync=failed)
    code, out, _ = casemate("models", "sync")
    assert (code, "Read from http://gateway.test, never yet." in out) == (1, True)
    assert "The gateway answered 500. What was known holds; the next try is 2026-11-21T12" in out
