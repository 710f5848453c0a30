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

PATH = "/api/v4/ai/signing_keys"
AT = "2026-11-21T12:00:00+00:00"


def a_key(**changes: Any) -> dict[str, Any]:
    fields = {
        "kid": "abc",
        "state": "current",
        "age_s": 60,
        "created_at": "2026-11-21T11:00:00+00:00",
        "signs_since": AT,
        "ended_at": None,
        "gone_at": None,
        "held_by": ["local"],
        "waits_for": None,
    }
    return {**fields, **changes}


def a_next_key(**waits_for: Any) -> dict[str, Any]:
    wait = {"until": None, "gateways": [], **waits_for}
    return a_key(kid="new", state="next", signs_since=None, created_at=AT, waits_for=wait)


OLD = a_key(kid="old", state="retired", ended_at=AT, gone_at="2026-11-21T13:00:10+00:00")
MADE = {"began": True, "killed": None, "keys": [a_key(), a_next_key(gateways=["far", "near"])]}


@pytest.fixture(autouse=True)
def desk(places: Places, config: Config) -> Iterator[Desk]:
    save(places.config, config)
    contents.token_file(places).write_text(parts.TOKEN)
    answers = {f"GET {PATH}": [OLD, a_key()], f"POST {PATH}/rotate": (201, MADE)}
    with open_desk(config.instance_port, answers) as opened:
        yield opened


def test_the_keys_are_listed(casemate: Run) -> None:
    code, said, _ = casemate("keys", "list")
    assert code == 0
    assert said.splitlines() == [
        "old  retired  since 2026-11-21 12:00:00, gone at 2026-11-21 13:00:10",
        "abc  current  since 2026-11-21 12:00:00",
    ]
    assert json.loads(casemate("keys", "list", "--json")[1]) == [OLD, a_key()]


def test_a_rotation_says_what_it_waits_for(casemate: Run, desk: Desk) -> None:
    code, said, _ = casemate("keys", "rotate")
    assert (code, desk.heard[-1]) == (0, (f"POST {PATH}/rotate", {"compromised": False}))
    assert "A rotation began." in said
    assert "waits for the gateways far, near" in said
    assert json.loads(casemate("keys", "rotate", "--json")[1]) == MADE


@pytest.mark.parametrize(
    ("wait", "sentence"),
    [
        ({"until": AT}, "waits until 2026-11-21 12:00:00, when every cache has it"),
        ({"until": AT, "gateways": ["far"]}, "has it and for the gateways far"),
        ({}, "signs in a moment"),
    ],
)
def test_a_rotation_under_way_goes_on(
    casemate: Run, desk: Desk, wait: dict[str, Any], sentence: str
) -> None:
    found = {"began": False, "killed": None, "keys": [a_next_key(**wait)]}
    desk.answers[f"POST {PATH}/rotate"] = (201, found)
    _, said, _ = casemate("keys", "rotate")
    assert "under way already" in said
    assert sentence in said


@pytest.mark.parametrize(("words", "named"), [((), {}), (("abc",), {"kid": "abc"})])
def test_a_compromised_key_is_ended(
    casemate: Run, desk: Desk, words: tuple[str, ...], named: dict[str, str]
) -> None:
    desk.answers[f"POST {PATH}/rotate"] = (201, {"began": False, "killed": "abc", "keys": []})
    code, said, _ = casemate("keys", "rotate", "--compromised", *words, "--yes")
    assert (code, desk.heard[-1][1]) == (0, {"compromised": True, **named})
    assert said == "abc is dead; nothing that it signed counts any more.\n"


def test_nothing_is_ended_without_a_yes(casemate: Run, desk: Desk) -> None:
    code, _, complaint = casemate("keys", "rotate", "--compromised")
    assert code != 0
    assert "--yes" in complaint
    assert desk.heard == []


def test_a_key_is_not_named_for_nothing(casemate: Run, desk: Desk) -> None:
    code, _, complaint = casemate("keys", "rotate", "abc")
    assert code != 0
    assert "--compromised" in complaint
    assert desk.heard == []
