import pytest
from sqlmodel import func, select

from appliance.accounts.rules import User
from appliance.audit.usecases import list_events
from appliance.errors import NotFoundError
from appliance.namespaces.rules import Namespace
from appliance.resources import usecases
from appliance.resources.rules import MergeRequest, Place
from appliance.resources.tables.draft_notes import DraftNoteRow
from appliance.resources.tables.issues import IssueRow
from appliance.resources.tables.jobs import JobRow
from appliance.resources.tables.merge_requests import DiffRow, MergeRequestRow
from appliance.resources.tables.notes import NoteRow
from appliance.resources.tables.vulnerabilities import VulnerabilityRow
from appliance.storage.engine import Db
from appliance.storage.paging import Page
from tests.appliance.namespaces.builders import add_group
from tests.appliance.resources.builders import (
    a_diff,
    add_issue,
    add_job,
    add_merge_request,
    add_note,
    add_project,
    add_vulnerability,
    place,
)
from tests.instance_builders import NOW

KINDS = (IssueRow, MergeRequestRow, DiffRow, NoteRow, DraftNoteRow, JobRow, VulnerabilityRow)


def _rows(db: Db) -> list[int]:
    return db.read_blocking(
        lambda s: [s.exec(select(func.count()).select_from(kind)).one() for kind in KINDS]
    )


def _fill(db: Db, at: Place) -> None:
    add_note(db, at, add_issue(db, at))
    one = add_merge_request(db, at, diffs=[a_diff()])
    add_note(db, at, one)
    db.write_blocking(lambda s: usecases.create_draft_note(s, at, one, body="hm", now=NOW))
    add_job(db, at)
    add_vulnerability(db, at)


def test_nothing_is_left_of_a_project(db: Db, at: Place, admin: User, lab: Namespace) -> None:
    _fill(db, at)
    _fill(db, place(db, admin, add_project(db, admin, lab, name="other")))
    assert _rows(db) == [2, 2, 2, 4, 2, 2, 2]
    db.write_blocking(lambda s: usecases.delete_project(s, at.project, caller_user=admin, now=NOW))
    assert _rows(db) == [1, 1, 1, 2, 1, 1, 1]


def test_nothing_is_left_of_a_merge_request(db: Db, at: Place) -> None:
    _fill(db, at)
    one = db.read_blocking(lambda s: usecases.merge_request_at(s, at, 1))
    db.write_blocking(lambda s: usecases.delete_merge_request(s, at, one, now=NOW))
    assert _rows(db) == [1, 0, 0, 1, 0, 1, 1]
    (event,) = db.read_blocking(lambda s: list_events(s, Page.asked(1, 1))).items
    assert event.entry.action == "merge_request_deleted"
    with pytest.raises(NotFoundError):
        db.write_blocking(lambda s: usecases.merge(s, at, one, now=NOW))
    with pytest.raises(NotFoundError):
        db.write_blocking(lambda s: usecases.delete_merge_request(s, at, one, now=NOW))


def test_a_merge_request_is_found_by_id_and_by_number(
    db: Db, at: Place, admin: User, ada: User
) -> None:
    one = add_merge_request(db, at, diffs=[a_diff(), a_diff(new_path="b.py")])
    hidden = add_project(db, admin, add_group(db, admin, "hidden"))
    other = add_merge_request(db, place(db, admin, hidden))

    def seen(number: int) -> MergeRequest:
        return db.read_blocking(lambda s: usecases.visible_merge_request(s, ada, number, now=NOW))

    found = db.read_blocking(
        lambda s: (
            usecases.named_merge_request(s, ada, "lab/test", iid=1, now=NOW),
            usecases.diffs_of(s, one),
        )
    )
    assert (seen(one.id), *found) == (one, one, [a_diff(), a_diff(new_path="b.py")])
    for number in (other.id, 99):
        with pytest.raises(NotFoundError, match="404 Merge Request Not Found"):
            seen(number)
