from typing import Any

import pytest

from appliance.accounts.rules import User
from appliance.audit.usecases import list_events
from appliance.errors import InvalidFieldsError, NotFoundError
from appliance.namespaces.errors import AccessLevelNeededError, NamespaceNotEmptyError
from appliance.namespaces.rules import AccessLevel, GroupChange, Namespace
from appliance.namespaces.usecases import change_group, delete_group
from appliance.resources import usecases
from appliance.resources.errors import ProjectTakenError
from appliance.resources.rules import Description, Project, ProjectFilter
from appliance.storage.engine import Db
from appliance.storage.paging import Page
from tests.appliance.namespaces.builders import add_group, add_member, add_user
from tests.instance_builders import NOW


@pytest.fixture
def admin(db: Db) -> User:
    return add_user(db, "root", is_admin=True)


@pytest.fixture
def ada(db: Db) -> User:
    return add_user(db, "ada")


@pytest.fixture
def lab(db: Db, admin: User) -> Namespace:
    return add_group(db, admin, "lab", visibility="internal")


def _create(db: Db, caller: User, group: Namespace, **fields: Any) -> Project:
    description = Description(**{"name": "test", **fields})
    return db.write_blocking(
        lambda session: usecases.create_project(
            session, description, namespace_id=group.id, caller_user=caller, now=NOW
        )
    )


def _change(db: Db, caller: User, project: Project, **fields: Any) -> Project:
    return db.write_blocking(
        lambda session: usecases.change_project(
            session, project, Description(**fields), caller_user=caller, now=NOW
        )
    )


def _delete(db: Db, caller: User, project: Project) -> None:
    db.write_blocking(
        lambda session: usecases.delete_project(session, project, caller_user=caller, now=NOW)
    )


def _change_group(db: Db, caller: User, group: Namespace, **fields: Any) -> None:
    db.write_blocking(
        lambda session: change_group(
            session,
            group,
            GroupChange(**fields),
            follow=usecases.follow_group,
            caller_user=caller,
            now=NOW,
        )
    )


def _seen(db: Db, user: User, reference: str) -> Project:
    return db.read_blocking(
        lambda session: usecases.named_project(session, user, reference, now=NOW)
    )


def _listed(db: Db, user: User, **wanted: Any) -> list[str]:
    found = db.read_blocking(
        lambda session: usecases.list_projects(
            session, user, Page.asked(1, 20), wanted=ProjectFilter(**wanted), now=NOW
        )
    )
    return [project.full_path for project in found.items]


def test_the_role_in_the_group_decides(db: Db, admin: User, ada: User, lab: Namespace) -> None:
    with pytest.raises(AccessLevelNeededError):
        _create(db, ada, lab)
    add_member(db, admin, lab, user=ada, level=AccessLevel.DEVELOPER)
    project = _create(db, ada, lab)
    with pytest.raises(AccessLevelNeededError):
        _change(db, ada, project, name="Other")
    add_member(db, admin, lab, user=ada, level=AccessLevel.MAINTAINER)
    assert _change(db, ada, project, name="Other").name == "Other"
    with pytest.raises(AccessLevelNeededError):
        _delete(db, ada, project)
    add_member(db, admin, lab, user=ada, level=AccessLevel.OWNER)
    _delete(db, ada, project)
    with pytest.raises(NotFoundError):
        _delete(db, ada, project)


def test_a_private_project_is_for_members(db: Db, admin: User, ada: User, lab: Namespace) -> None:
    secret = _create(db, admin, lab)
    opened = _create(db, admin, lab, name="open", visibility="internal")
    assert _seen(db, ada, "LAB/open") == opened
    assert _listed(db, ada) == ["lab/open"]
    for reference in (str(secret.id), "lab/test", "999", "x\0"):
        with pytest.raises(NotFoundError, match="404 Project Not Found"):
            _seen(db, ada, reference)
    add_member(db, admin, lab, user=ada, level=AccessLevel.GUEST)
    assert _seen(db, ada, str(secret.id)) == secret
    assert _listed(db, ada) == ["lab/open", "lab/test"] == _listed(db, admin)


def test_projects_are_found_by_group_and_text(db: Db, admin: User, lab: Namespace) -> None:
    _create(db, admin, lab)
    other = add_group(db, admin, "other")
    _create(db, admin, other, name="100% Other")
    assert _listed(db, admin, namespace_ids=[other.id]) == ["other/100-other"]
    assert _listed(db, admin, search="100% o") == ["other/100-other"]
    assert _listed(db, admin, search="%") == ["other/100-other"]
    assert _listed(db, admin, search="LAB/") == ["lab/test"]


def test_a_path_is_free_of_projects_and_groups(db: Db, admin: User, lab: Namespace) -> None:
    add_group(db, admin, "sub", parent=lab)
    one, two = _create(db, admin, lab), _create(db, admin, lab, name="two")
    for path in ("TEST", "Sub"):
        with pytest.raises(ProjectTakenError):
            _create(db, admin, lab, path=path)
        with pytest.raises(ProjectTakenError):
            _change(db, admin, two, path=path)
    assert _change(db, admin, one, path="Test").full_path == "lab/Test"


def test_a_project_is_no_wider_than_its_group(db: Db, admin: User, lab: Namespace) -> None:
    project = _create(db, admin, lab, visibility="internal")
    for work in (
        lambda: _create(db, admin, lab, name="x", visibility="public"),
        lambda: _change(db, admin, project, visibility="public"),
        lambda: _change_group(db, admin, lab, visibility="private"),
    ):
        with pytest.raises(InvalidFieldsError, match="visibility"):
            work()
    assert _change(db, admin, project, visibility="private").visibility == "private"


def test_projects_move_with_a_group_above(db: Db, admin: User, lab: Namespace) -> None:
    project = _create(db, admin, add_group(db, admin, "sub", parent=lab))
    _change_group(db, admin, lab, path="forge")
    assert _seen(db, admin, "forge/sub/test").id == project.id
    with pytest.raises(NotFoundError):
        _seen(db, admin, "lab/sub/test")


def test_a_group_with_a_project_stays(db: Db, admin: User, lab: Namespace) -> None:
    _create(db, admin, lab)
    with pytest.raises(NamespaceNotEmptyError):
        db.write_blocking(lambda s: delete_group(s, lab, caller_user=admin, now=NOW))


def test_every_change_is_in_the_log(db: Db, admin: User, lab: Namespace) -> None:
    project = _create(db, admin, lab)
    _change(db, admin, project, duo_features_enabled=False)
    _delete(db, admin, project)
    events = db.read_blocking(lambda session: list_events(session, Page.asked(1, 3))).items
    assert [event.entry.action for event in events] == [
        "project_deleted",
        "project_changed",
        "project_created",
    ]
    assert events[1].entry.details == {"duo_features_enabled": False}


def test_projects_of_more_groups_than_a_statement_takes_are_listed(
    db: Db, admin: User, lab: Namespace
) -> None:
    made = _create(db, admin, lab, path="p")
    many = ProjectFilter(namespace_ids=range(1, 100_000))
    found = db.read_blocking(
        lambda session: usecases.list_projects(
            session, admin, Page.asked(1, 20), wanted=many, now=NOW
        )
    )
    assert [each.id for each in found.items] == [made.id]


def test_no_group_is_renamed_to_where_a_project_is(db: Db, admin: User, lab: Namespace) -> None:
    team = add_group(db, admin, "team", parent=lab)
    _create(db, admin, lab, path="crew")
    with pytest.raises(ProjectTakenError):
        _change_group(db, admin, team, path="Crew")
