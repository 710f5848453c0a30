"""Projects and what lies in them for tests; a test states only what matters to it."""

from datetime import datetime
from typing import Any

from appliance.accounts.rules import User
from appliance.namespaces.rules import AccessLevel, Namespace
from appliance.resources import usecases
from appliance.resources.rules import (
    Description,
    Diff,
    Issue,
    IssueChange,
    Job,
    JobChange,
    MergeRequest,
    MergeRequestChange,
    Note,
    Place,
    Project,
    Vulnerability,
    VulnerabilityChange,
)
from appliance.resources.usecases import Noteable
from appliance.storage.engine import Db
from tests.instance_builders import NOW, a_user


def a_project(**changes: Any) -> Project:
    fields = {
        "id": 3,
        "namespace_id": 4,
        "name": "Test",
        "path": "test",
        "full_path": "lab/test",
        "description": "",
        "visibility": "private",
        "duo_features_enabled": True,
        "created_at": NOW,
    }
    return Project(**{**fields, **changes})


def a_place(*, level: AccessLevel | None = AccessLevel.DEVELOPER, **user: Any) -> Place:
    return Place(user=a_user(**user), project=a_project(), level=level)


def an_issue(**changes: Any) -> Issue:
    fields = {
        "id": 5,
        "project_id": 3,
        "iid": 1,
        "author_id": 7,
        "title": "It burns",
        "description": "",
        "state": "opened",
        "is_confidential": False,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Issue(**{**fields, **changes})


def a_note(**changes: Any) -> Note:
    fields = {
        "id": 9,
        "project_id": 3,
        "noteable_kind": "Issue",
        "noteable_id": 5,
        "author_id": 7,
        "body": "Water!",
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Note(**{**fields, **changes})


def a_diff(**changes: Any) -> Diff:
    fields = {"old_path": "a.py", "new_path": "a.py", "diff": "@@ -1 +1 @@\n-a\n+b\n"}
    return Diff(**{**fields, **changes})


def add_project(db: Db, caller: User, group: Namespace, **fields: Any) -> Project:
    description = Description(**{"name": "test", **fields})
    return db.write_blocking(
        lambda session: usecases.create_project(
            session, description, namespace_id=group.id, caller_user=caller, now=NOW
        )
    )


def place(db: Db, user: User, project: Project) -> Place:
    return db.read_blocking(
        lambda session: usecases.named_place(session, user, str(project.id), now=NOW)
    )


def add_issue(db: Db, at: Place, *, now: datetime = NOW, **fields: Any) -> Issue:
    new = IssueChange(**{"title": "It burns", **fields})
    return db.write_blocking(lambda session: usecases.create_issue(session, at, new, now=now))


def add_merge_request(db: Db, at: Place, **fields: Any) -> MergeRequest:
    said = {"title": "Put it out", "source_branch": "water", "target_branch": "main"}
    new = MergeRequestChange(**{**said, **fields})
    return db.write_blocking(
        lambda session: usecases.create_merge_request(session, at, new, now=NOW)
    )


def add_note(
    db: Db, at: Place, noteable: Noteable, *, body: str = "Water!", is_internal: bool = False
) -> Note:
    return db.write_blocking(
        lambda session: usecases.create_note(
            session, at, noteable, body=body, is_internal=is_internal, now=NOW
        )
    )


def add_job(db: Db, at: Place, **fields: Any) -> Job:
    new = JobChange(**{"name": "rspec", **fields})
    return db.write_blocking(lambda session: usecases.create_job(session, at, new, now=NOW))


def add_vulnerability(db: Db, at: Place, **fields: Any) -> Vulnerability:
    said: dict[str, Any] = {"title": "Open door", "severity": "high", "report_type": "sast"}
    new = VulnerabilityChange(**{**said, **fields})
    return db.write_blocking(
        lambda session: usecases.create_vulnerability(session, at, new, now=NOW)
    )
