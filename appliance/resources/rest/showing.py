"""Things of projects as GitLab's clients read them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from appliance.accounts.rules import User
from appliance.accounts.usecases import users_among
from appliance.resources.rest.asking import API, Shown
from appliance.resources.rules import (
    Diff,
    DraftNote,
    Issue,
    Job,
    MergeRequest,
    Note,
    Project,
    Vulnerability,
)
from appliance.resources.usecases import Contained, count_notes, projects_among
from appliance.storage.engine import Session

FILE_MODE = "100644"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is around the things that are shown: their projects, and who wrote them."""

    public_url: str
    projects: Mapping[int, Project]
    users: Mapping[int, User]

    @classmethod
    def of(
        cls, session: Session, things: Sequence[Contained | Note], *, public_url: str
    ) -> "Surroundings":
        """Those of these things."""
        authors = {each.author_id for each in things if each.author_id is not None}
        return cls(
            public_url=public_url,
            projects=projects_among(session, {each.project_id for each in things}),
            users=users_among(session, authors),
        )

    def author(self, author_id: int | None) -> Shown | None:
        """Who wrote it; None for one who is gone."""
        user = None if author_id is None else self.users.get(author_id)
        if user is None:
            return None
        return {
            "id": user.id,
            "username": user.username,
            "name": user.name,
            "state": user.state,
            "avatar_url": None,
            "web_url": f"{self.public_url}/{user.username}",
        }

    def web_url(self, thing: Contained, part: str) -> str:
        """Where people would find it."""
        return f"{self.public_url}/{self.projects[thing.project_id].full_path}/-/{part}"

    def references(self, thing: Issue | MergeRequest, sign: str) -> Shown:
        """How it is named in texts."""
        short = f"{sign}{thing.iid}"
        full = f"{self.projects[thing.project_id].full_path}{short}"
        return {"short": short, "relative": short, "full": full}


def show_issues(session: Session, issues: Sequence[Issue], *, public_url: str) -> list[Shown]:
    """Issues."""
    around = Surroundings.of(session, issues, public_url=public_url)
    notes = count_notes(session, "Issue", [each.id for each in issues])
    return [_issue(each, around, notes=notes.get(each.id, 0)) for each in issues]


def show_issue(session: Session, issue: Issue, *, public_url: str) -> Shown:
    """One of them."""
    return show_issues(session, [issue], public_url=public_url)[0]


def show_merge_requests(
    session: Session, merge_requests: Sequence[MergeRequest], *, public_url: str
) -> list[Shown]:
    """Merge requests, without what they change."""
    around = Surroundings.of(session, merge_requests, public_url=public_url)
    notes = count_notes(session, "MergeRequest", [each.id for each in merge_requests])
    return [_merge_request(each, around, notes=notes.get(each.id, 0)) for each in merge_requests]


def show_merge_request(session: Session, merge_request: MergeRequest, *, public_url: str) -> Shown:
    """One of them."""
    return show_merge_requests(session, [merge_request], public_url=public_url)[0]


def show_diff(diff: Diff) -> Shown:
    """What happens to one file."""
    return {
        "old_path": diff.old_path,
        "new_path": diff.new_path,
        "a_mode": "0" if diff.is_new else FILE_MODE,
        "b_mode": "0" if diff.is_deleted else FILE_MODE,
        "diff": diff.diff,
        "new_file": diff.is_new,
        "renamed_file": diff.is_renamed,
        "deleted_file": diff.is_deleted,
        "generated_file": False,
        "collapsed": False,
        "too_large": False,
    }


def show_notes(
    session: Session, notes: Sequence[Note], *, iid: int, public_url: str
) -> list[Shown]:
    """Notes on the thing that has the number `iid` in its project."""
    around = Surroundings.of(session, notes, public_url=public_url)
    return [_note(each, around, iid=iid) for each in notes]


def show_draft_note(draft: DraftNote) -> Shown:
    """A remark that is not published."""
    return {
        "id": draft.id,
        "author_id": draft.author_id,
        "merge_request_id": draft.merge_request_id,
        "note": draft.body,
        "discussion_id": None,
        "commit_id": None,
        "resolve_discussion": False,
        "position": None,
    }


def show_jobs(session: Session, jobs: Sequence[Job], *, public_url: str) -> list[Shown]:
    """Jobs, without their logs."""
    around = Surroundings.of(session, jobs, public_url=public_url)
    return [_job(each, around) for each in jobs]


def show_vulnerabilities(
    session: Session, found: Sequence[Vulnerability], *, public_url: str
) -> list[Shown]:
    """Vulnerabilities, without the source code."""
    around = Surroundings.of(session, found, public_url=public_url)
    return [_vulnerability(each, around) for each in found]


def show_vulnerability(session: Session, found: Vulnerability, *, public_url: str) -> Shown:
    """One of them, with it."""
    shown = show_vulnerabilities(session, [found], public_url=public_url)[0]
    return {**shown, "source_code": found.source_code}


def _issue(issue: Issue, around: Surroundings, *, notes: int) -> Shown:
    itself = f"{around.public_url}{API}/projects/{issue.project_id}"
    return {
        "id": issue.id,
        "iid": issue.iid,
        "project_id": issue.project_id,
        "title": issue.title,
        "description": issue.description,
        "state": issue.state,
        "type": "ISSUE",
        "issue_type": "issue",
        "confidential": issue.is_confidential,
        "labels": list(issue.labels),
        "author": around.author(issue.author_id),
        "assignee": None,
        "assignees": [],
        "milestone": None,
        "user_notes_count": notes,
        "created_at": issue.created_at.isoformat(),
        "updated_at": issue.updated_at.isoformat(),
        "closed_at": _time(issue.closed_at),
        "closed_by": None,
        "web_url": around.web_url(issue, f"issues/{issue.iid}"),
        "references": around.references(issue, "#"),
        "_links": {
            "self": f"{itself}/issues/{issue.iid}",
            "notes": f"{itself}/issues/{issue.iid}/notes",
            "project": itself,
        },
    }


def _merge_request(merge_request: MergeRequest, around: Surroundings, *, notes: int) -> Shown:
    return {
        "id": merge_request.id,
        "iid": merge_request.iid,
        "project_id": merge_request.project_id,
        "source_project_id": merge_request.project_id,
        "target_project_id": merge_request.project_id,
        "title": merge_request.title,
        "description": merge_request.description,
        "state": merge_request.state,
        "draft": merge_request.is_draft,
        "work_in_progress": merge_request.is_draft,
        "source_branch": merge_request.source_branch,
        "target_branch": merge_request.target_branch,
        "labels": list(merge_request.labels),
        "author": around.author(merge_request.author_id),
        "assignee": None,
        "assignees": [],
        "reviewers": [],
        "milestone": None,
        "user_notes_count": notes,
        "created_at": merge_request.created_at.isoformat(),
        "updated_at": merge_request.updated_at.isoformat(),
        "merged_at": _time(merge_request.merged_at),
        "closed_at": _time(merge_request.closed_at),
        "sha": None,
        "merge_status": "unchecked",
        "web_url": around.web_url(merge_request, f"merge_requests/{merge_request.iid}"),
        "references": around.references(merge_request, "!"),
    }


def _note(note: Note, around: Surroundings, *, iid: int) -> Shown:
    return {
        "id": note.id,
        "type": None,
        "body": note.body,
        "attachment": None,
        "author": around.author(note.author_id),
        "created_at": note.created_at.isoformat(),
        "updated_at": note.updated_at.isoformat(),
        "system": note.is_system,
        "noteable_id": note.noteable_id,
        "noteable_type": note.noteable_kind,
        "noteable_iid": iid,
        "project_id": note.project_id,
        "resolvable": False,
        "confidential": note.is_internal,
        "internal": note.is_internal,
    }


def _job(job: Job, around: Surroundings) -> Shown:
    return {
        "id": job.id,
        "name": job.name,
        "stage": job.stage,
        "ref": job.ref,
        "tag": False,
        "status": job.status,
        "failure_reason": job.failure_reason,
        "allow_failure": False,
        "coverage": None,
        "created_at": job.created_at.isoformat(),
        "started_at": _time(job.started_at),
        "finished_at": _time(job.finished_at),
        "duration": _duration(job),
        "user": around.author(job.author_id),
        "commit": None,
        "pipeline": None,
        "runner": None,
        "artifacts": [],
        "web_url": around.web_url(job, f"jobs/{job.id}"),
    }


def _duration(job: Job) -> float | None:
    if job.started_at is None or job.finished_at is None:
        return None
    return (job.finished_at - job.started_at).total_seconds()


def _vulnerability(found: Vulnerability, around: Surroundings) -> Shown:
    project = around.projects[found.project_id]
    return {
        "id": found.id,
        "title": found.title,
        "description": found.description,
        "state": found.state,
        "severity": found.severity,
        "report_type": found.report_type,
        "solution": found.solution,
        "identifiers": list(found.identifiers),
        "location": dict(found.location),
        "author_id": found.author_id,
        "project": {"id": project.id, "name": project.name, "full_path": project.full_path},
        "created_at": found.created_at.isoformat(),
        "updated_at": found.updated_at.isoformat(),
        "web_url": around.web_url(found, f"security/vulnerabilities/{found.id}"),
    }


def _time(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()
