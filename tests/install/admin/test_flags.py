import json
from collections.abc import Iterator
from typing import Any

import pytest

from install import contents
from install.config import Config, save
from install.places import Places
from tests.fakes import parts
from tests.fakes.licence_desk import Desk, open_desk
from tests.install.conftest import Run

PATH = "/api/v4/features"
CHAT = f"{PATH}/ai_duo_chat_switch"


def a_flag(name: str = "ai_duo_chat_switch", **changes: Any) -> dict[str, Any]:
    about = {
        "description": "Chat",
        "type": "ops",
        "milestone": "0.1.0",
        "group": "chat",
        "default_enabled": True,
        "until": None,
        "features": ["duo_chat"],
        "push": ["page"],
    }
    fields = {
        "name": name,
        "state": "on",
        "gates": [{"key": "boolean", "value": True}],
        "definition": about,
    }
    return {**fields, **changes}


SHARED = a_flag(
    state="conditional",
    gates=[
        {"key": "boolean", "value": True},
        {"key": "percentage_of_actors", "value": 30},
        {"key": "actors", "value": ["User:1"]},
        {"key": "actors_off", "value": ["Group:2", "Group:3"]},
    ],
)
FOR_ALL = a_flag("ai_global_switch")
FOR_ALL["definition"] = {**FOR_ALL["definition"], "features": [], "push": [], "until": "0.4.0"}
LEFT = a_flag("left", definition=None)
STALE = {"name": "left", "kind": "unknown", "group": None, "reason": "Reset it."}
OLD = {"name": "old", "kind": "old", "group": "chat", "reason": "It is old."}
ANSWERS: dict[str, Any] = {
    f"GET {PATH}": [SHARED, FOR_ALL, LEFT],
    f"GET {PATH}/stale": [STALE, OLD],
    f"POST {CHAT}": SHARED,
    f"DELETE {CHAT}": (204, None),
}


@pytest.fixture(autouse=True)
def desk(places: Places, config: Config) -> Iterator[Desk]:
    save(places.config, config)
    contents.token_file(places).write_text(parts.TOKEN)
    with open_desk(config.instance_port, dict(ANSWERS)) as opened:
        yield opened


def test_every_flag_says_what_it_switches_and_for_whom(casemate: Run) -> None:
    assert json.loads(casemate("flags", "list", "--json")[1]) == ANSWERS[f"GET {PATH}"]
    out = " ".join(casemate("flags", "list")[1].split())
    assert "ai_duo_chat_switch conditional on for 30 %;" in out
    assert "ai_global_switch on on ops Chat" in out
    assert "left on on unknown nothing; reset it" in out


def test_one_flag_says_what_it_is_for(casemate: Run) -> None:
    out = casemate("flags", "show", "ai_duo_chat_switch")[1]
    assert "ai_duo_chat_switch  Chat\n" in out
    assert "set to    on for 30 %; on for User:1; off for Group:2, Group:3\n" in out
    assert "type      ops, since 0.1.0, of chat\n" in out
    assert "told to   page\n" in out
    assert "until     0.4.0\n" in casemate("flags", "show", "ai_global_switch")[1]
    assert "unknown to this release" in casemate("flags", "show", "left")[1]
    assert json.loads(casemate("flags", "show", "left", "--json")[1]) == LEFT


def test_who_misspells_a_flag_is_told_which_was_meant(casemate: Run) -> None:
    code, _, err = casemate("flags", "show", "ai_duo_chat_swich")
    assert (code, "did you mean ai_duo_chat_switch" in err) == (2, True)
    code, _, err = casemate("flags", "show", "nix")
    assert (code, "There is no flag 'nix'." in err) == (2, True)


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (("on",), {"value": True}),
        (("off", "--user", "ada", "--user", "bob"), {"value": False, "user": "ada,bob"}),
        (("off", "--group", "lab/ai"), {"value": False, "group": "lab/ai"}),
        (("--percentage", "30"), {"value": 30, "key": "percentage_of_actors"}),
    ],
)
def test_a_flag_is_set(
    casemate: Run, desk: Desk, words: tuple[str, ...], body: dict[str, Any]
) -> None:
    code, out, _ = casemate("flags", "set", "ai_duo_chat_switch", *words)
    assert (code, desk.heard[-1]) == (0, (f"POST {CHAT}", body))
    assert out.startswith("ai_duo_chat_switch: conditional, set to on for 30 %;")
    _, out, _ = casemate("flags", "set", "ai_duo_chat_switch", *words, "--json")
    assert json.loads(out) == SHARED


@pytest.mark.parametrize(
    "words",
    [(), ("on", "--percentage", "30"), ("--percentage", "30", "--user", "ada"), ("maybe",)],
)
def test_what_contradicts_itself_is_not_asked_for(
    casemate: Run, desk: Desk, words: tuple[str, ...]
) -> None:
    assert casemate("flags", "set", "ai_duo_chat_switch", *words)[0] == 2
    assert not desk.heard


def test_a_flag_goes_back_to_its_default(casemate: Run, desk: Desk) -> None:
    code, out, _ = casemate("flags", "reset", "ai_duo_chat_switch")
    assert (code, out) == (0, "ai_duo_chat_switch: back to its default.\n")
    assert desk.heard[-1][0] == f"DELETE {CHAT}"
    _, out, _ = casemate("flags", "reset", "ai_duo_chat_switch", "--json")
    assert json.loads(out) == {"name": "ai_duo_chat_switch", "reset": True}


def test_flags_that_should_be_gone_are_told(casemate: Run, desk: Desk) -> None:
    assert casemate("flags", "stale")[1] == "! left: Reset it.\n! old (of chat): It is old.\n"
    assert json.loads(casemate("flags", "stale", "--json")[1]) == [STALE, OLD]
    desk.answers[f"GET {PATH}/stale"] = []
    assert casemate("flags", "stale")[1] == "No flag is stale.\n"


def test_a_refusal_is_told(casemate: Run, desk: Desk) -> None:
    desk.answers[f"POST {CHAT}"] = (404, {"message": "404 Feature flag", "code": "x"})
    code, _, err = casemate("flags", "set", "ai_duo_chat_switch", "on")
    assert (code, "404 Feature flag" in err) == (1, True)
