"""What an issue is, who may see it, and what can be said of one."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from appliance.namespaces.rules import AccessLevel
from appliance.resources.rules import texts
from appliance.resources.rules.places import SEES_CONFIDENTIAL, Place
from appliance.resources.rules.texts import KEPT_LABELS, LabelChange

IssueState = Literal["opened", "closed"]
StateEvent = Literal["close", "reopen"]

CHANGES_ISSUES = AccessLevel.REPORTER
REMOVES_ISSUES = AccessLevel.OWNER


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """An issue of a project; `iid` counts within it. `author_id` None: that user is gone."""

    id: int
    project_id: int
    iid: int
    author_id: int | None
    title: str = field(repr=False)
    description: str = field(repr=False)
    state: IssueState
    is_confidential: bool
    labels: tuple[str, ...] = ()
    created_at: datetime
    updated_at: datetime
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueChange:
    """What can be said of an issue; None leaves a thing as it is."""

    title: str | None = None
    description: str | None = None
    is_confidential: bool | None = None
    labels: LabelChange = KEPT_LABELS
    event: StateEvent | None = None


def sees_issue(place: Place, issue: Issue) -> bool:
    """Whether the user may know of it: of a confidential one not everybody in its project may."""
    return (
        not issue.is_confidential
        or place.is_by_user(issue.author_id)
        or place.reaches(SEES_CONFIDENTIAL)
    )


def check_issue(change: IssueChange, *, is_new: bool, labels: list[str]) -> None:
    """Passes when what is said can be used; `labels` are those afterwards.

    Raises:
        InvalidFieldsError: with a sentence for each field at fault.
    """
    is_missing = texts.required(change.title) if is_new else None
    texts.check(
        {
            "title": is_missing or texts.problem_of_line(change.title),
            "description": texts.problem_of_text(change.description),
            "labels": texts.problem_of_labels(labels),
        }
    )
