import json
from typing import Any

import pytest

from install.admin import explaining
from install.admin.explaining import Question
from install.errors import SettingError
from tests.install.conftest import Run

ANSWER = {
    "user_id": 7,
    "namespace_id": None,
    "model": "tiny",
    "verdict": "refused",
    "code": "feature_not_granted",
    "unit_primitive": "duo_chat",
    "checks": [
        {"name": "user", "state": "passed", "sentence": "The user ada is active.", "change": None},
        {
            "name": "seat",
            "state": "failed",
            "sentence": "The user ada holds no seat of Duo [Pro].",
            "change": "Give the user one.",
        },
        {"name": "scope", "state": "not_reached", "sentence": "Not looked at.", "change": None},
    ],
}
RECALLED = {
    "decision_id": "01K",
    "happened_at": "2026-11-21T12:00:00+00:00",
    "user_id": 7,
    "namespace_id": None,
    "code": "feature_not_granted",
    "unit_primitive": "duo_chat",
    "provider": None,
    "model": "tiny",
    "would_still_be_refused": True,
    "note": None,
    "explanation": ANSWER,
}


class FakeInstance:
    """Answers what it is told to; notes what it was asked."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.paths: list[str] = []

    def ask(self, method: str, path: str) -> Any:
        self.paths.append(f"{method} {path}")
        is_looked_up = path.startswith(("/api/v4/groups/", "/api/v4/projects/"))
        return {"id": 12} if is_looked_up else self.answer


def asked(question: Question) -> list[str]:
    instance = FakeInstance(ANSWER)
    assert explaining.ask(instance, question) == ANSWER  # type: ignore[arg-type]  # its one method
    return instance.paths


def test_chat_is_asked_about_when_nothing_else_is_named() -> None:
    assert asked(Question()) == ["GET /api/v4/ai/explanations?feature=duo_chat"]


def test_a_user_a_model_and_a_group_s_number_are_passed_on() -> None:
    question = Question(user="ada", feature="f", namespace="3", model="a/b")
    (path,) = asked(question)
    assert path.endswith("?username=ada&feature=f&namespace_id=3&model=a%2Fb")


def test_the_address_that_a_user_asks_from_is_passed_on() -> None:
    (path,) = asked(Question(model="tiny", address="10.1.2.3"))
    assert path.endswith("&model=tiny&address=10.1.2.3")


def test_a_project_is_asked_about_by_its_path() -> None:
    first, second = asked(Question(project="lab/engine"))
    assert first == "GET /api/v4/projects/lab%2Fengine"
    assert second.endswith("&project_id=12")


def test_a_group_s_path_is_looked_up() -> None:
    first, second = asked(Question(namespace="top/below"))
    assert first == "GET /api/v4/groups/top%2Fbelow"
    assert "namespace_id=12" in second


def test_a_decision_is_asked_for_by_its_id_and_alone() -> None:
    assert asked(Question(decision="01K")) == ["GET /api/v4/ai/explanations/01K"]
    with pytest.raises(SettingError, match="alone"):
        asked(Question(decision="01K", user="ada"))


def test_every_check_is_a_line_and_the_deciding_one_says_what_to_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    explaining.show(ANSWER)
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["✓", "✗"]
    assert "Duo [Pro]" in out
    assert "→ Give the user one." in lines[2]
    assert lines[3].startswith("·")
    assert lines[4] == "duo_chat with the model tiny is refused (feature_not_granted)"


def test_what_the_user_is_shown_stands_beside_the_refusal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    explaining.show({**ANSWER, "ai_action_code": "M3004"})
    said = "is refused (feature_not_granted; M3004 in chat and AI actions)"
    assert said in capsys.readouterr().out


MEANING = {"code": "A1001", "message": "It is away.", "fix": "Ask again."}


def test_a_code_is_looked_up_and_an_unknown_one_says_which_there_are() -> None:
    instance: Any = FakeInstance([MEANING])
    assert explaining.meaning(instance, " a1001", Question()) == MEANING
    assert instance.paths == ["GET /api/v4/ai/error_codes"]
    with pytest.raises(SettingError, match="there are A1001"):
        explaining.meaning(instance, "B12", Question())
    with pytest.raises(SettingError, match="alone"):
        explaining.meaning(instance, "A1001", Question(user="ada"))


def test_an_older_instance_names_no_model(capsys: pytest.CaptureFixture[str]) -> None:
    explaining.show({name: value for name, value in ANSWER.items() if name != "model"})
    assert "duo_chat is refused" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "It would still be refused:"),
        ({"would_still_be_refused": False}, "It would be permitted now:"),
        ({"would_still_be_refused": None, "note": "Headers."}, "Headers. As things are now:"),
        ({"explanation": None, "model": None}, "not known, or not any more."),
    ],
)
def test_a_refusal_says_what_it_was_and_what_it_would_be(
    capsys: pytest.CaptureFixture[str], changes: dict[str, Any], said: str
) -> None:
    explaining.show({**RECALLED, **changes})
    out = capsys.readouterr().out
    assert "was refused (feature_not_granted)" in out
    assert said in out


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (ANSWER, 1),
        ({**ANSWER, "verdict": "permitted"}, 0),
        ({**ANSWER, "verdict": "unknown"}, 1),
        ({**RECALLED, "explanation": None}, 1),
        ({**RECALLED, "explanation": {**ANSWER, "verdict": "permitted"}}, 0),
    ],
)
def test_the_exit_code_is_the_verdict(answer: dict[str, Any], code: int) -> None:
    assert explaining.exit_code(answer) == code


@pytest.mark.usefixtures("parts_running")
def test_the_program_explains(casemate: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explaining, "ask", lambda _instance, _question: ANSWER)
    code, out, _ = casemate("explain", "--user", "ada", "--json")
    assert (code, json.loads(out)) == (1, ANSWER)
    code, out, _ = casemate("explain", "--user", "ada")
    assert (code, "✗" in out) == (1, True)


@pytest.mark.usefixtures("parts_running")
def test_the_program_says_what_a_code_means(casemate: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explaining, "meaning", lambda *_: MEANING)
    code, out, _ = casemate("explain", "--code", "A1001")
    assert (code, out) == (0, "A1001: It is away. Ask again.\n")
    code, out, _ = casemate("explain", "--code", "A1001", "--json")
    assert (code, json.loads(out)) == (0, MEANING)
