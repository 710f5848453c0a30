"""What comes along with a question in chat."""

from typing import Any

import pytest

from appliance.ai_actions.rules.chat.contexts import (
    CATEGORIES,
    MAX_CODE_CHARS,
    MAX_ITEM_CHARS,
    MAX_ITEMS,
    chat_inputs,
    closed_context,
    context_for_model,
    context_for_user,
    file_for_model,
    scope_of,
)
from appliance.errors import InvalidFieldsError
from gateway.contract.catalog import load_catalog

FILE = {"category": "file", "id": "a.py", "content": "x = 1", "metadata": {"lines": 1}}


def a_file(**changes: str) -> dict[str, Any]:
    return {"content": "Why?", "current_file": {"file_name": "a.py", **changes}}


def test_every_category_has_its_scope() -> None:
    assert {scope_of(each) for each in CATEGORIES} <= load_catalog().unit_primitives.keys()


def test_a_question_alone_stays_alone() -> None:
    assert chat_inputs({"content": "Why?", "other": 1}) == {"content": "Why?"}
    assert file_for_model({"content": "Why?"}) is None
    assert context_for_model({"content": "Why?"}) == []
    assert closed_context({"content": "Why?"}, ()) is None


def test_what_is_selected_goes_before_what_is_around() -> None:
    selected = chat_inputs(a_file(selected_text="b", content_above_cursor="a"))
    assert file_for_model(selected) == {"file_path": "a.py", "data": "b", "selected_code": True}
    around = chat_inputs(a_file(content_above_cursor="a", content_below_cursor="c"))
    assert file_for_model(around) == {"file_path": "a.py", "data": "ac", "selected_code": False}
    assert file_for_model(chat_inputs(a_file(selected_text=" "))) is None


def test_what_is_sent_along_is_told_to_the_model_and_shown_without_its_text() -> None:
    inputs = chat_inputs(
        {"content": "Why?", "additional_context": [FILE, {"category": "terminal"}]}
    )
    bare = {"category": "terminal", "id": "", "content": "", "metadata": None}
    assert context_for_model(inputs) == [FILE, bare]
    assert context_for_user(inputs) == [{**FILE, "content": ""}, bare]


def test_each_category_needs_its_own_scope() -> None:
    inputs = chat_inputs({"content": "Why?", "additional_context": [FILE, {"category": "issue"}]})
    assert closed_context(inputs, {"include_file_context"}) == "issue"
    assert closed_context(inputs, {"include_file_context", "include_issue_context"}) is None


@pytest.mark.parametrize(
    "raw",
    [
        a_file(selected_text="x" * (MAX_CODE_CHARS + 1)),
        a_file(file_name="x" * 2_000),
        {"current_file": {"file_name": 3}},
        {"additional_context": [{"category": "os"}]},
        {"additional_context": [FILE] * (MAX_ITEMS + 1)},
        {"additional_context": [{**FILE, "content": "x" * (MAX_ITEM_CHARS + 1)}]},
        {"additional_context": [{**FILE, "id": 3}]},
        {"additional_context": [{**FILE, "metadata": {"x": "y" * 20_000}}]},
        {"additional_context": [{**FILE, "content": "x" * 90_000}] * 5},
    ],
)
def test_what_cannot_be_used_is_refused(raw: dict[str, Any]) -> None:
    with pytest.raises(InvalidFieldsError):
        chat_inputs(raw)
