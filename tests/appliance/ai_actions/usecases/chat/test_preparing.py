"""What a question in chat is asked with."""

from collections.abc import Mapping
from typing import Any

import pytest

from appliance.ai_actions.errors import ActionFailedError
from appliance.ai_actions.rules import Answer, Request
from appliance.ai_actions.rules.chat.contexts import CATEGORIES
from appliance.ai_actions.usecases.chat.preparing import Question, check_context, prepare
from tests.appliance.ai_actions.usecases.builders import CATALOG
from tests.appliance.ai_actions.usecases.chat.builders import Desk, the
from tests.instance_builders import NOW


def prepared(desk: Desk, request: Request) -> Question:
    return desk.db.read_blocking(
        lambda session: prepare(session, request, catalog=CATALOG, now=NOW)
    )


def last(question: Question) -> Mapping[str, Any]:
    return question.messages[-1]


def test_a_bare_question_is_all_there_is(desk: Desk) -> None:
    question = prepared(desk, desk.accept("Why?"))
    assert list(question.messages) == [{"role": "user", "content": "Why?"}]
    assert question.command is None
    assert set(question.tools) == {
        "issue_reader",
        "merge_request_reader",
        "build_reader",
        "project_reader",
        "gitlab_documentation",
    }


def test_what_was_said_before_comes_first(desk: Desk) -> None:
    desk.keep(desk.accept("Who?"), Answer(content="Ada."))
    desk.keep(desk.accept("failed"), Answer(content="Error", errors=("Error",)))
    question = prepared(desk, desk.accept("Why?"))
    assert [(each["role"], each["content"]) for each in question.messages] == [
        ("user", "Who?"),
        ("assistant", "Ada."),
        ("user", "Why?"),
    ]


def test_an_endless_history_is_cut_to_the_newest(desk: Desk) -> None:
    for number in range(6):
        desk.keep(desk.accept(f"{number}"), Answer(content="x" * 900))
    question = prepared(desk, desk.accept("Why?"))
    # Nothing says which family the model is of: there is room for the least.
    told = [each["content"] for each in question.messages if each["role"] == "user"]
    assert told == ["3", "4", "5", "Why?"]


@pytest.mark.parametrize(
    ("kind", "page"),
    [
        ("Issue", {"type": "issue", "title": "Too hot"}),
        ("MergeRequest", {"type": "merge_request", "title": "Colder"}),
        ("Job", {"type": "build"}),
        ("Project", None),
        ("Group", None),
    ],
)
def test_the_page_is_named(desk: Desk, kind: str, page: Mapping[str, str] | None) -> None:
    question = prepared(desk, desk.accept("Why?", resource=the(desk.lab, kind)))
    assert last(question).get("context") == page


def test_the_file_and_what_was_sent_along_are_told(desk: Desk) -> None:
    sent = {"category": "file", "id": "b.py", "content": "y = 2", "metadata": None}
    file = {"file_name": "a.py", "selected_text": "x = 1"}
    question = prepared(
        desk,
        desk.accept("Why?", inputs={"current_file": file, "additional_context": [sent]}),
    )
    said = last(question)
    assert said["current_file"] == {"file_path": "a.py", "data": "x = 1", "selected_code": True}
    assert said["additional_context"] == [sent]
    assert list(question.shown_context) == [{**sent, "content": ""}]


@pytest.mark.parametrize("category", sorted(CATEGORIES))
def test_each_category_needs_its_scope(category: str) -> None:
    inputs = {"additional_context": [{"category": category}]}
    check_context(inputs, frozenset({f"include_{category}_context"}))
    with pytest.raises(ActionFailedError) as failed:
        check_context(inputs, frozenset({"duo_chat", "include_nothing_context"}))
    assert failed.value.shown_code == "M3005"
    assert category in failed.value.facts["detail"]


def test_who_may_not_ask_any_more_is_told_so(desk: Desk) -> None:
    request = desk.accept("Why?")
    desk.lab.flag("ai_global_switch")
    with pytest.raises(ActionFailedError) as failed:
        prepared(desk, request)
    assert failed.value.shown_code == "M3002"
