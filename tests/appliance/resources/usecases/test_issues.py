from concurrent.futures import ThreadPoolExecutor

import pytest

from appliance.accounts.rules import User
from appliance.accounts.usecases import delete_user
from appliance.audit.usecases import list_events
from appliance.errors import NotFoundError
from appliance.namespaces.rules import Namespace
from appliance.resources import usecases
from appliance.resources.rules import OLDEST_FIRST, ItemFilter, Place
from appliance.storage.engine import Db
from appliance.storage.paging import Page
from tests.appliance.namespaces.builders import add_group
from tests.appliance.resources.builders import (
    add_issue,
    add_merge_request,
    add_note,
    add_project,
    place,
)
from tests.instance_builders import NOW

WRITERS = 4
EACH = 6


def test_numbers_count_in_their_project_whoever_writes_at_once(
    db: Db, at: Place, admin: User, lab: Namespace
) -> None:
    other = place(db, admin, add_project(db, admin, lab, name="other"))
    add_issue(db, other)

    def write(_: int) -> list[int]:
        return [
            number
            for _ in range(EACH)
            for number in (add_issue(db, at).iid, add_merge_request(db, at).iid)
        ]

    with ThreadPoolExecutor(WRITERS) as pool:
        numbers = [number for taken in pool.map(write, range(WRITERS)) for number in taken]
    counted = range(1, WRITERS * EACH + 1)
    assert sorted(numbers) == sorted([*counted, *counted])
    assert add_issue(db, other).iid == 2


def test_no_number_is_given_twice(db: Db, at: Place) -> None:
    first = add_issue(db, at)
    db.write_blocking(lambda s: usecases.delete_issue(s, at, first, now=NOW))
    assert (first.iid, add_issue(db, at).iid) == (1, 2)


def test_an_issue_is_found_by_id_and_by_number(db: Db, at: Place, ada: User) -> None:
    add_issue(db, at)
    issue = add_issue(db, at, is_confidential=True)

    def seen(user: User, project: str = "lab/test", iid: int = issue.iid) -> list[object]:
        return db.read_blocking(
            lambda session: [
                usecases.visible_issue(session, user, issue.id, now=NOW),
                usecases.named_issue(session, user, project, iid=iid, now=NOW),
            ]
        )

    assert seen(at.user) == [issue, issue]
    for user, project, iid in ((ada, "lab/test", 2), (at.user, "lab/none", 2), (at.user, "1", 3)):
        with pytest.raises(NotFoundError):
            seen(user, project, iid)


@pytest.mark.parametrize("number", [0, -1, 99, 2**40])
def test_a_number_that_no_issue_has_is_not_found(db: Db, admin: User, number: int) -> None:
    with pytest.raises(NotFoundError, match="404 Issue Not Found"):
        db.read_blocking(lambda s: usecases.visible_issue(s, admin, number, now=NOW))


def test_an_issue_of_a_hidden_project_is_like_an_unknown_one(
    db: Db, admin: User, ada: User
) -> None:
    hidden = add_project(db, admin, add_group(db, admin, "hidden"))
    issue = add_issue(db, place(db, admin, hidden))
    with pytest.raises(NotFoundError, match="404 Issue Not Found"):
        db.read_blocking(lambda s: usecases.visible_issue(s, ada, issue.id, now=NOW))


def test_what_was_said_goes_with_the_issue_and_the_log_knows(db: Db, at: Place) -> None:
    issue, other = add_issue(db, at), add_merge_request(db, at)
    add_note(db, at, issue)
    kept = add_note(db, at, other)
    db.write_blocking(lambda s: usecases.delete_issue(s, at, issue, now=NOW))
    found = db.read_blocking(
        lambda s: (
            usecases.list_notes(s, at, issue, page=Page.asked(1, 9), order=OLDEST_FIRST).items,
            usecases.list_notes(s, at, other, page=Page.asked(1, 9)).items,
            list_events(s, Page.asked(1, 1)).items,
        )
    )
    assert (found[0], found[1]) == ([], [kept])
    assert (found[2][0].entry.action, found[2][0].entry.details) == (
        "issue_deleted",
        {"project_id": at.project.id, "iid": 1},
    )
    with pytest.raises(NotFoundError):
        db.write_blocking(lambda s: usecases.delete_issue(s, at, issue, now=NOW))


def test_an_issue_outlives_its_author(db: Db, at: Place, ada: User) -> None:
    theirs = place(db, ada, at.project)
    issue = add_issue(db, theirs, is_confidential=True)
    note = add_note(db, theirs, issue)
    db.write_blocking(lambda s: delete_user(s, ada.id, actor=at.user.actor, now=NOW))
    after = db.read_blocking(
        lambda s: (
            usecases.visible_issue(s, at.user, issue.id, now=NOW),
            usecases.notes_of(s, at.user, issue, now=NOW),
        )
    )
    assert (after[0].author_id, after[1][0].author_id) == (None, None)
    assert after[1][0].id == note.id


def test_a_list_over_all_projects_may_name_one(
    db: Db, at: Place, admin: User, lab: Namespace
) -> None:
    other = place(db, admin, add_project(db, admin, lab, name="other"))
    add_issue(db, at)
    wanted = add_issue(db, other)
    found = db.read_blocking(
        lambda s: usecases.list_issues(
            s, admin, Page.asked(1, 9), wanted=ItemFilter(project_id=other.project.id), now=NOW
        )
    )
    assert list(found.items) == [wanted]
