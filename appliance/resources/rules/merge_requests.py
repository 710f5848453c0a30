"""What a merge request is, what it changes, and what can be said of one."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from appliance.namespaces.rules import AccessLevel
from appliance.resources.rules import texts
from appliance.resources.rules.issues import StateEvent
from appliance.resources.rules.texts import KEPT_LABELS, LabelChange

MergeRequestState = Literal["opened", "closed", "merged"]

MAKES_MERGE_REQUESTS = AccessLevel.DEVELOPER
CHANGES_MERGE_REQUESTS = AccessLevel.DEVELOPER
REMOVES_MERGE_REQUESTS = AccessLevel.OWNER

MAX_FILES = 1000
MAX_PATH_CHARS = 1024
MAX_DIFF_CHARS = 262_144
# A request's body holds no more; said here too, since in memory a character may be four bytes.
MAX_DIFFS_CHARS = 1_000_000
DRAFT = re.compile(r"\s*(?:\[draft\]|\(draft\)|draft:)\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """What happens to one file: a unified diff from its first `@@` on, empty for none shown."""

    old_path: str
    new_path: str
    diff: str = field(repr=False)
    is_new: bool = False
    is_renamed: bool = False
    is_deleted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeRequest:
    """A merge request of a project; `iid` counts within it. `author_id` None: that user is gone."""

    id: int
    project_id: int
    iid: int
    author_id: int | None
    title: str = field(repr=False)
    description: str = field(repr=False)
    state: MergeRequestState
    is_draft: bool
    source_branch: str
    target_branch: str
    labels: tuple[str, ...] = ()
    created_at: datetime
    updated_at: datetime
    merged_at: datetime | None = None
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeRequestChange:
    """What can be said of a merge request; None leaves a thing as it is.

    Its title says whether it is a draft. `diffs` replace all that there were.
    """

    title: str | None = None
    description: str | None = None
    source_branch: str | None = None
    target_branch: str | None = None
    labels: LabelChange = KEPT_LABELS
    event: StateEvent | None = None
    diffs: Sequence[Diff] | None = field(default=None, repr=False)


def is_draft(title: str) -> bool:
    """Whether a merge request of that title says that it is not ready."""
    return DRAFT.match(title) is not None


def check_merge_request(change: MergeRequestChange, *, is_new: bool, labels: list[str]) -> None:
    """Passes when what is said can be used; `labels` are those afterwards.

    Raises:
        InvalidFieldsError: with a sentence for each field at fault.
    """
    lines = {
        "title": change.title,
        "source_branch": change.source_branch,
        "target_branch": change.target_branch,
    }
    problems = {
        name: (texts.required(text) if is_new else None) or texts.problem_of_line(text)
        for name, text in lines.items()
    }
    texts.check(
        {
            **problems,
            "description": texts.problem_of_text(change.description),
            "labels": texts.problem_of_labels(labels),
            "diffs": _problem_of_diffs(change.diffs or ()),
        }
    )


def _problem_of_diffs(diffs: Sequence[Diff]) -> str | None:
    if len(diffs) > MAX_FILES:
        return f"must be of at most {MAX_FILES} files"
    if sum(len(each.diff) for each in diffs) > MAX_DIFFS_CHARS:
        return f"must have at most {MAX_DIFFS_CHARS} characters together"
    for number, each in enumerate(diffs, 1):
        if problem := _problem_of_diff(each):
            return f"number {number}: {problem}"
    return None


def _problem_of_diff(diff: Diff) -> str | None:
    for path in (diff.old_path, diff.new_path):
        if problem := texts.problem_of_line(path, most=MAX_PATH_CHARS):
            return f"a path {problem}"
    problem = texts.problem_of_text(diff.diff, most=MAX_DIFF_CHARS)
    return problem and f"the diff {problem}"
