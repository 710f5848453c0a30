from collections.abc import Callable

import pytest

from appliance.accounts.rules import User
from appliance.errors import NotFoundError
from appliance.namespaces.rules import AccessLevel, Namespace
from appliance.resources import usecases
from appliance.resources.rules import Place
from appliance.resources.usecases import Contained, Resource
from appliance.resources.usecases.finding import Kind
from appliance.storage.engine import Db
from tests.appliance.namespaces.builders import add_group, add_member
from tests.appliance.resources.builders import (
    add_issue,
    add_job,
    add_merge_request,
    add_project,
    add_vulnerability,
    place,
)
from tests.instance_builders import NOW

INSIDE: dict[Kind, Callable[[Db, Place], Contained]] = {
    "Issue": add_issue,
    "MergeRequest": add_merge_request,
    "Job": add_job,
    "Vulnerability": add_vulnerability,
}


def _found(db: Db, user: User, kind: Kind, number: int) -> Resource:
    return db.read_blocking(lambda s: usecases.find_resource(s, user, kind, number=number, now=NOW))


@pytest.mark.parametrize("kind", list(INSIDE))
def test_what_lies_in_a_project_is_found_by_who_may_see_it(
    db: Db, admin: User, ada: User, lab: Namespace, kind: Kind
) -> None:
    at = place(db, admin, add_project(db, admin, lab, visibility="private"))
    thing = INSIDE[kind](db, at)
    for number in (thing.id, 99, 0):
        with pytest.raises(NotFoundError):
            _found(db, ada, kind, number)
    add_member(db, admin, lab, user=ada, level=AccessLevel.DEVELOPER)
    assert _found(db, ada, kind, thing.id) == thing
    assert db.read_blocking(lambda s: usecases.project_of(s, thing)) == at.project
    db.write_blocking(lambda s: usecases.delete_project(s, at.project, caller_user=admin, now=NOW))
    with pytest.raises(NotFoundError, match="404 Project Not Found"):
        db.read_blocking(lambda s: usecases.project_of(s, thing))


def test_projects_groups_and_oneself_are_found(
    db: Db, admin: User, ada: User, at: Place, lab: Namespace
) -> None:
    hidden = add_group(db, admin, "hidden")
    assert _found(db, ada, "Project", at.project.id) == at.project
    assert _found(db, ada, "Group", lab.id) == lab
    assert _found(db, ada, "User", ada.id) == ada
    unseen: list[tuple[Kind, int]] = [("Group", hidden.id), ("User", admin.id), ("Project", 99)]
    for kind, number in unseen:
        with pytest.raises(NotFoundError):
            _found(db, ada, kind, number)
