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

INSTANCE = "/api/v4/ai/feature_settings"
LAB = "/api/v4/groups/lab%2Fai/ai_feature_settings"
BY_THE_INSTANCE = {"kind": "instance", "id": None, "full_path": None}
BY_A_GROUP = {"kind": "group", "id": 4, "full_path": "lab"}
MODEL = {"ref": "big", "name": "Big", "entitled": False, "why": "Buy it."}


def a_feature(**changes: Any) -> dict[str, Any]:
    fields = {
        "feature": "duo_chat",
        "title": "General Chat",
        "main_feature": "GitLab Duo Chat",
        "provider": "self_hosted",
        "default_model": None,
        "allowed_models": None,
        "locked": False,
        "effective_model": "big",
        "level": BY_THE_INSTANCE,
        "may_change_by": "instance admin",
        "selectable_models": [MODEL],
        "unusable_models": [{"ref": "old", "why": "It is disabled."}],
        "problem": None,
    }
    return {**fields, **changes}


def a_choice(**changes: Any) -> dict[str, Any]:
    fields = {"model": None, "level": BY_A_GROUP, "may_change_by": "owners of lab/ai"}
    shown = a_feature(**fields | changes)
    del shown["default_model"], shown["unusable_models"]
    return shown


ANSWERS: dict[str, Any] = {
    f"GET {INSTANCE}": [
        a_feature(),
        a_feature(feature="code_completions", effective_model=None, problem="big is gone."),
        a_feature(feature="summarize_review", provider="disabled", locked=True),
    ],
    f"GET {INSTANCE}/duo_chat": a_feature(allowed_models=["big", "small"]),
    f"GET {INSTANCE}/code_completions": a_feature(effective_model=None),
    f"PUT {INSTANCE}/duo_chat": a_feature(locked=True),
    f"DELETE {INSTANCE}/duo_chat": (204, None),
    f"PUT {INSTANCE}/chat": (404, {"message": "There is no such feature.", "code": "x"}),
    f"GET {LAB}": [a_choice(), a_choice(feature="duo_chat_fix_code", locked_by=BY_THE_INSTANCE)],
    f"GET {LAB}/duo_chat": a_choice(model="small", locked=True, problem="It does not count."),
    f"PUT {LAB}/duo_chat": a_choice(model="small", effective_model="small"),
    f"DELETE {LAB}/duo_chat": (204, None),
}


@pytest.fixture(autouse=True)
def desk(places: Places, config: Config) -> Iterator[Desk]:
    save(places.config, config)
    contents.token_file(places).write_text(parts.TOKEN)
    with open_desk(config.instance_port, dict(ANSWERS)) as opened:
        yield opened


def test_every_feature_says_what_it_uses_and_who_decides(casemate: Run) -> None:
    assert json.loads(casemate("features", "list", "--json")[1]) == ANSWERS[f"GET {INSTANCE}"]
    out = casemate("features", "list")[1]
    lines = [line.split() for line in out.splitlines()]
    chat, code, review = lines[1:4]
    assert " ".join(chat) == "duo_chat General Chat big the instance no instance admin"
    assert code[3] == "nothing"
    assert (review[3], review[6]) == ("disabled", "yes")
    assert "! code_completions: big is gone." in out


def test_a_group_says_which_level_decides(casemate: Run) -> None:
    out = casemate("features", "list", "--group", "lab/ai")[1]
    chat, fix = (line.split()[3:] for line in out.splitlines()[1:3])
    assert chat == ["big", "lab", "no", "owners", "of", "lab/ai"]
    assert " ".join(fix[2:5]) == "by the instance"


def test_one_feature_shows_what_there_is_to_choose_from(casemate: Run) -> None:
    out = casemate("features", "show", "duo_chat")[1]
    assert "leaves to choose big, small" in out
    assert "big  Big\n                   ! Buy it." in out
    assert "not usable       old  It is disabled." in out
    out = casemate("features", "show", "duo_chat", "--group", "lab/ai")[1]
    assert "! It does not count." in out
    found = json.loads(casemate("features", "show", "duo_chat", "--json")[1])
    assert found == ANSWERS[f"GET {INSTANCE}/duo_chat"]


def test_a_model_is_assigned(casemate: Run, desk: Desk) -> None:
    _, out, _ = casemate("features", "assign", "duo_chat", "--model", "big")
    assert out == "duo_chat: big, set by the instance, locked.\n"
    assert desk.heard[-1] == (
        f"PUT {INSTANCE}/duo_chat",
        {"default_model": "big", "locked": False},
    )
    asked = ["assign", "duo_chat", "--model", "small", "--group", "lab/ai", "--locked", "--json"]
    _, out, _ = casemate("features", *asked, "--allow", "big", "--allow", "small")
    assert json.loads(out)["effective_model"] == "small"
    wish = {"model": "small", "locked": True, "allowed_models": ["small", "big"]}
    assert desk.heard[-1] == (f"PUT {LAB}/duo_chat", wish)


def test_a_feature_is_disabled_for_everyone(casemate: Run, desk: Desk) -> None:
    casemate("features", "disable", "duo_chat")
    assert desk.heard[-1][1] == {"provider": "disabled"}


@pytest.mark.parametrize(("group", "path"), [([], INSTANCE), (["--group", "lab/ai"], LAB)])
def test_a_reset_says_what_holds_again(
    casemate: Run, desk: Desk, group: list[str], path: str
) -> None:
    assert casemate("features", "reset", "duo_chat", *group)[0] == 0
    assert [each[0] for each in desk.heard[-2:]] == [
        f"DELETE {path}/duo_chat",
        f"GET {path}/duo_chat",
    ]


def test_what_is_used_is_locked_and_unlocked(casemate: Run, desk: Desk) -> None:
    casemate("features", "lock", "duo_chat")
    wish = {"default_model": "big", "allowed_models": ["big", "small"], "locked": True}
    assert desk.heard[-1][1] == wish
    casemate("features", "lock", "duo_chat", "--unlock", "--group", "lab/ai")
    assert desk.heard[-1][1] == {"model": "small", "allowed_models": None, "locked": False}
    casemate("features", "lock", "duo_chat", "--unlock")
    assert desk.heard[-1][0].startswith("GET")
    code, _, err = casemate("features", "lock", "code_completions")
    assert (code, "assign a model first" in err) == (2, True)


def test_a_refusal_is_told(casemate: Run) -> None:
    code, _, err = casemate("features", "assign", "chat", "--model", "big")
    assert (code, "There is no such feature." in err) == (1, True)
