from typing import Any

import pytest

from appliance.errors import InvalidFieldsError
from appliance.resources.rules.merge_requests import (
    MergeRequestChange,
    check_merge_request,
    is_draft,
)
from tests.appliance.resources.builders import a_diff


@pytest.mark.parametrize(
    ("title", "draft"),
    [
        ("Draft: x", True),
        ("[DRAFT] x", True),
        (" (draft) x", True),
        ("Drafts: x", False),
        ("x Draft:", False),
    ],
)
def test_the_title_says_whether_it_is_a_draft(title: str, *, draft: bool) -> None:
    assert is_draft(title) is draft


def test_only_a_new_one_needs_title_and_branches() -> None:
    check_merge_request(MergeRequestChange(), is_new=False, labels=[])
    with pytest.raises(InvalidFieldsError) as refused:
        check_merge_request(MergeRequestChange(), is_new=True, labels=[])
    assert list(refused.value.fields) == ["title", "source_branch", "target_branch"]


@pytest.mark.parametrize(
    ("diffs", "problem"),
    [
        ([a_diff()] * 1001, "1000 files"),
        ([a_diff(diff="x" * 251_000)] * 4, "1000000 characters together"),
        ([a_diff(), a_diff(diff="x" * 262_145)], "number 2: the diff must"),
        ([a_diff(old_path="")], "number 1: a path must"),
        ([a_diff(new_path="x" * 1025)], "number 1: a path must"),
    ],
)
def test_what_it_changes_has_bounds(diffs: list[Any], problem: str) -> None:
    with pytest.raises(InvalidFieldsError, match=problem):
        check_merge_request(MergeRequestChange(diffs=diffs), is_new=False, labels=[])
    check_merge_request(MergeRequestChange(diffs=[a_diff(diff="")]), is_new=False, labels=[])
