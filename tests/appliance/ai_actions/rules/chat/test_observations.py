"""What chat's tools tell a model of what they read."""

from typing import Any

from appliance.ai_actions.rules.chat.documentation import Page
from appliance.ai_actions.rules.chat.observations import (
    MAX_CHARS,
    of_issue,
    of_job,
    of_merge_request,
    of_pages,
    of_project,
)
from appliance.resources.rules import Diff, Issue, Job, MergeRequest, Note, Project
from tests.instance_builders import NOW

PROJECT = Project(
    id=1,
    namespace_id=1,
    name="Engine",
    path="engine",
    full_path="lab/engine",
    description="",
    visibility="private",
    duo_features_enabled=True,
    created_at=NOW,
)
TIMES = {"created_at": NOW, "updated_at": NOW}


def an_issue(**changes: Any) -> Issue:
    fields = {"id": 1, "project_id": 1, "iid": 7, "author_id": 5, "title": "t", "description": "d"}
    return Issue(**{**fields, **TIMES, "state": "opened", "is_confidential": False, **changes})


def a_note(body: str, **changes: Any) -> Note:
    fields = {"id": 1, "project_id": 1, "noteable_kind": "Issue", "noteable_id": 1}
    return Note(**{**fields, **TIMES, "author_id": 5, "body": body, **changes})


def a_job(**changes: Any) -> Job:
    fields = {"id": 3, "project_id": 1, "author_id": None, "name": "test", "stage": "s"}
    return Job(**{**fields, **TIMES, "ref": "main", "status": "failed", **changes})


def a_merge_request(**changes: Any) -> MergeRequest:
    fields = {"id": 1, "project_id": 1, "iid": 3, "author_id": None, "title": "t"}
    fields |= {"description": "d", "state": "opened", "is_draft": False}
    branches = {"source_branch": "a", "target_branch": "b"}
    return MergeRequest(**{**fields, **branches, **TIMES, **changes})


def test_an_issue_has_its_comments_without_the_systems_own() -> None:
    notes = [a_note("one"), a_note("moved", is_system=True), a_note("two", author_id=None)]
    said = of_issue(an_issue(labels=("hot", "new")), notes, project=PROJECT, names={5: "ada"})
    assert "lab/engine#7: t" in said
    assert "Labels: hot, new" in said
    assert "@ada on 2026-11-21: one" in said
    assert "somebody who is gone on 2026-11-21: two" in said
    assert "moved" not in said


def test_without_comments_that_is_said() -> None:
    assert of_issue(an_issue(), [], project=PROJECT, names={}).endswith("There are none.")


def test_of_a_long_discussion_the_newest_is_told() -> None:
    notes = [a_note(f"{number}: {'x' * 1_000}") for number in range(100)]
    said = of_issue(an_issue(description="d" * 50_000), notes, project=PROJECT, names={})
    assert len(said) <= MAX_CHARS + 100
    assert "99: x" in said
    assert " 1: x" not in said
    assert "older comments left out]" in said
    assert "44,000 characters left out]" in said


def test_a_merge_request_has_its_changes() -> None:
    found = a_merge_request(is_draft=True, labels=("x",))
    diffs = [Diff(old_path="o", new_path="n", diff="+x")]
    said = of_merge_request(found, diffs, [], project=PROJECT, names={})
    for part in ("lab/engine!3: t", "opened (draft)", "a into b", "--- o\n+++ n\n+x", "Labels: x"):
        assert part in said


def test_a_job_has_the_end_of_its_log() -> None:
    said = of_job(a_job(failure_reason="script"), "x" * 50_000 + "the end", project=PROJECT)
    assert said.endswith("the end")
    assert "Reason: script" in said
    assert len(said) <= MAX_CHARS
    assert of_job(a_job(), " ", project=PROJECT).endswith("It has no log.")
    assert of_job(a_job(), "short", project=PROJECT).endswith("Log:\nshort")


def test_a_project_has_what_is_newest_in_it() -> None:
    said = of_project(PROJECT, issues=[an_issue()], merge_requests=[a_merge_request()])
    for part in ("Project lab/engine: Engine", "Issue #7 (opened): t", "Merge request !3"):
        assert part in said


def test_pages_are_told_with_their_titles() -> None:
    said = of_pages([Page(title="Seats", text="Buy one.\n"), Page(title="Models", text="Add one.")])
    assert said == "Seats\nBuy one.\n\nModels\nAdd one."
