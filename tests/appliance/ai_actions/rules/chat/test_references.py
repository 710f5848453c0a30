"""What a model names when it wants something read."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.ai_actions.rules.chat.references import Kind, Reference, input_text, parse

URL = "https://ai.example.org/gitlab"


@pytest.mark.parametrize(
    ("text", "kind", "project", "number"),
    [
        ("12", "issue", None, 12),
        ("#12", "issue", None, 12),
        ("issue 12", "issue", None, 12),
        ("Issue: #12", "issue", None, 12),
        ("a/b#12", "issue", "a/b", 12),
        ("a/b.c/d-e!3", "merge_request", "a/b.c/d-e", 3),
        ("!3", "merge_request", None, 3),
        ("merge request !3", "merge_request", None, 3),
        ("merge_request 3", "merge_request", None, 3),
        ("7", "job", None, 7),
        ("job #7", "job", None, 7),
        (f"{URL}/a/b/-/issues/12", "issue", "a/b", 12),
        (f"{URL}/a/b/-/issues/12?x=1#note_5", "issue", "a/b", 12),
        (f"{URL}/a/b/-/work_items/12/", "issue", "a/b", 12),
        (f"{URL}/a/b/-/merge_requests/3/diffs", "merge_request", "a/b", 3),
        (f"{URL}/a/b/-/jobs/7", "job", "a/b", 7),
        ("a/b", "project", "a/b", None),
        ("project a/b", "project", "a/b", None),
        (f"{URL}/a/b", "project", "a/b", None),
        (f"{URL}/a/b/-/issues/12", "project", "a/b", None),
        ("15", "project", "15", None),
    ],
)
def test_names_are_understood(text: str, kind: Kind, project: str | None, number: int) -> None:
    assert parse(text, kind, public_url=URL) == Reference(project=project, number=number)


@pytest.mark.parametrize(
    "text", ["", "this", "this issue", "current issue", "the current issue", "issue"]
)
def test_this_is_what_the_page_shows(text: str) -> None:
    assert parse(text, "issue", public_url=URL) == Reference()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("#0", "issue"),
        ("#-1", "issue"),
        ("#99999999999", "issue"),
        ("2147483648", "issue"),
        ("1; DROP TABLE users", "issue"),
        ("../../etc/passwd", "issue"),
        ("a b#1", "issue"),
        ("a\nb#1", "issue"),
        ("!3", "issue"),
        ("٣", "issue"),
        ("#", "issue"),
        ("https://evil.example/a/b/-/issues/12", "issue"),
        ("http://ai.example.org/gitlab/a/b/-/issues/12", "issue"),
        ("https://ai.example.org.evil.example/gitlab/a/b/-/issues/12", "issue"),
        ("https://ai.example.org@evil.example/gitlab/a/b/-/issues/12", "issue"),
        ("https://ai.example.org/a/b/-/issues/12", "issue"),
        (f"{URL}/a/b/-/merge_requests/12", "issue"),
        (f"{URL}/a/b/-/issues/x", "issue"),
        (f"{URL}/-/issues/1", "issue"),
        ("https://[x/-/issues/1", "issue"),
        ("a b", "project"),
        ("x" * 3_000, "project"),
    ],
)
def test_anything_else_means_nothing(text: str, kind: Kind) -> None:
    assert parse(text, kind, public_url=URL) is None


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("#12", "#12"),
        (12, "12"),
        ('"12"', "12"),
        ("'#12'", "#12"),
        ({"iid": 12}, "12"),
        ({"x": "y"}, "y"),
        ({"x": "y", "url": "u"}, "u"),
        ({"url": None, "iid": 0}, "0"),
        ('{"reference": "#12"}', "#12"),
        ('{"reference": ', '{"reference":'),
        ({}, ""),
        (None, ""),
        (True, ""),
        ([1], ""),
        ({"url": {"a": 1}}, ""),
    ],
)
def test_what_a_tool_is_handed_becomes_one_text(said: Any, text: str) -> None:
    assert input_text(said) == text


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda each: st.lists(each) | st.dictionaries(st.text(), each),
    max_leaves=5,
)


@given(_JSON, st.sampled_from(["issue", "merge_request", "job", "project"]))
def test_nothing_that_is_handed_breaks_it(said: Any, kind: Kind) -> None:
    found = parse(input_text(said), kind, public_url=URL)
    assert found is None or found.number is None or found.number > 0
