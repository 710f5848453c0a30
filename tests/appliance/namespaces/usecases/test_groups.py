from typing import Any

import pytest
from sqlmodel import text

from appliance.accounts.errors import AdminNeededError
from appliance.accounts.rules import User
from appliance.audit.usecases import list_events
from appliance.errors import InvalidFieldsError, NotFoundError
from appliance.namespaces import usecases
from appliance.namespaces.errors import (
    AccessLevelNeededError,
    NamespaceNotEmptyError,
    PathTakenError,
)
from appliance.namespaces.rules import MAX_DEPTH, AccessLevel, GroupChange, Namespace
from appliance.storage.engine import Db
from appliance.storage.outbox import last_sequence
from appliance.storage.paging import Page
from tests.appliance.namespaces.builders import add_group, add_member, add_user
from tests.instance_builders import NOW


@pytest.fixture
def admin(db: Db) -> User:
    return add_user(db, "root", is_admin=True)


def _change(
    db: Db, caller: User, group: Namespace, follow: Any = lambda *_: None, **fields: Any
) -> Namespace:
    return db.write_blocking(
        lambda session: usecases.change_group(
            session,
            group,
            GroupChange(**fields),
            follow=follow,
            caller_user=caller,
            now=NOW,
        )
    )


def _delete(db: Db, caller: User, group: Namespace) -> None:
    db.write_blocking(
        lambda session: usecases.delete_group(session, group, caller_user=caller, now=NOW)
    )


def _found(db: Db, path: str) -> Namespace | None:
    return db.read_blocking(lambda session: usecases.find_namespace(session, path))


def test_a_group_knows_its_chain(db: Db, admin: User) -> None:
    root = add_group(db, admin, "lab")
    middle = add_group(db, admin, "ai", parent=root)
    leaf = add_group(db, admin, "chat", parent=middle)
    assert (root.root_id, root.ancestry, root.depth) == (root.id, (root.id,), 1)
    assert (leaf.root_id, leaf.depth) == (root.id, 3)
    assert leaf.ancestry == (root.id, middle.id, leaf.id)
    assert _found(db, "LAB/AI/chat") == leaf
    assert _found(db, "lab\0") is None
    names = db.read_blocking(lambda session: usecases.full_names(session, [leaf]))
    assert names == {leaf.id: "Lab / Ai / Chat"}
    ids = db.read_blocking(lambda session: usecases.tree_ids(session, root))
    assert ids == [root.id, middle.id, leaf.id]


def test_a_path_is_taken_whatever_its_case(db: Db, admin: User) -> None:
    root = add_group(db, admin, "lab")
    add_group(db, admin, "lab", parent=root)
    with pytest.raises(PathTakenError):
        add_group(db, admin, "LAB")


def test_groups_end_at_the_greatest_depth(db: Db, admin: User) -> None:
    group = add_group(db, admin, "g")
    for _ in range(MAX_DEPTH - 1):
        group = add_group(db, admin, "g", parent=group)
    assert group.depth == MAX_DEPTH
    with pytest.raises(InvalidFieldsError, match="parent_id"):
        add_group(db, admin, "g", parent=group)


def test_admins_make_roots_and_owners_what_lies_in_them(db: Db, admin: User) -> None:
    ada = add_user(db, "ada")
    with pytest.raises(AdminNeededError):
        add_group(db, ada, "mine")
    root = add_group(db, admin, "lab")
    with pytest.raises(NotFoundError):
        add_group(db, ada, "x", parent=root)
    add_member(db, admin, root, user=ada, level=AccessLevel.MAINTAINER)
    with pytest.raises(AccessLevelNeededError):
        add_group(db, ada, "x", parent=root)
    add_member(db, admin, root, user=ada, level=AccessLevel.OWNER)
    assert add_group(db, ada, "x", parent=root).full_path == "lab/x"


def test_a_new_path_moves_everything_below(db: Db, admin: User) -> None:
    root = add_group(db, admin, "lab")
    leaf = add_group(db, admin, "chat", parent=add_group(db, admin, "ai", parent=root))
    beside = add_group(db, admin, "labs")
    seen = []
    after = _change(db, admin, root, lambda _, old, new: seen.append((old, new)), path="Forge")
    assert (after.full_path, seen) == ("Forge", [(root, after)])
    assert _found(db, "lab/ai/chat") is None
    moved = _found(db, "forge/ai/chat")
    assert moved is not None
    assert (moved.id, moved.full_path) == (leaf.id, "Forge/ai/chat")
    assert _found(db, "labs") == beside


def test_only_what_is_named_changes(db: Db, admin: User) -> None:
    root = add_group(db, admin, "lab", description="old", visibility="internal")
    after = _change(db, admin, root, description="")
    assert (after.description, after.name, after.visibility) == ("", "Lab", "internal")
    assert _change(db, admin, root, path="LAB").full_path == "LAB"
    add_group(db, admin, "other")
    with pytest.raises(PathTakenError):
        _change(db, admin, root, path="other")
    with pytest.raises(InvalidFieldsError):
        _change(db, admin, root, name="")


def test_nobody_sees_more_below_than_above(db: Db, admin: User) -> None:
    root = add_group(db, admin, "lab", visibility="internal")
    leaf = add_group(db, admin, "x", parent=root, visibility="internal")
    with pytest.raises(InvalidFieldsError, match="wider"):
        _change(db, admin, leaf, visibility="public")
    with pytest.raises(InvalidFieldsError, match="narrower"):
        _change(db, admin, root, visibility="private")


def test_a_group_goes_when_nothing_is_left_in_it(db: Db, admin: User) -> None:
    root = add_group(db, admin, "lab")
    leaf = add_group(db, admin, "x", parent=root)
    ada = add_user(db, "ada")
    add_member(db, admin, leaf, user=ada)
    with pytest.raises(NamespaceNotEmptyError):
        _delete(db, admin, root)
    with pytest.raises(AccessLevelNeededError):
        _delete(db, ada, leaf)
    _delete(db, admin, leaf)
    _delete(db, admin, root)
    with pytest.raises(NotFoundError):
        db.read_blocking(lambda session: usecases.get_namespace(session, root.id))
    with pytest.raises(NotFoundError):
        _delete(db, admin, root)


def test_a_group_that_owns_a_purchase_stays(db: Db, admin: User) -> None:
    root = add_group(db, admin, "lab")
    bought = (
        "INSERT INTO add_on_purchases (add_on, root_namespace_id, owner_key, created_at) "
        "VALUES ('duo_pro', :root, 'duo_pro:1', :now)"
    )
    db.write_blocking(lambda s: s.execute(text(bought), {"root": root.id, "now": str(NOW)}))
    with pytest.raises(NamespaceNotEmptyError):
        _delete(db, admin, root)
    assert _found(db, "lab") == root


def test_who_may_not_know_of_a_group_does_not_learn_of_it(db: Db, admin: User) -> None:
    root = add_group(db, admin, "lab", visibility="internal")
    secret = add_group(db, admin, "secret", parent=root)
    ada = add_user(db, "ada")

    def seen(reference: str) -> Namespace:
        return db.read_blocking(
            lambda session: usecases.named_namespace(session, ada, reference, now=NOW)
        )

    assert seen("lab") == root == seen(str(root.id))
    for reference in (str(secret.id), "lab/secret", "999", "nowhere", "9" * 10):
        with pytest.raises(NotFoundError, match="404 Group Not Found"):
            seen(reference)
    with pytest.raises(NotFoundError):
        _delete(db, ada, secret)
    add_member(db, admin, secret, user=ada)
    assert seen("lab/secret") == secret


def test_every_change_is_published_and_in_the_log(db: Db, admin: User) -> None:
    before = db.read_blocking(last_sequence)
    root = add_group(db, admin, "lab")
    _change(db, admin, root, path="forge", name="Forge")
    _delete(db, admin, root)
    assert db.read_blocking(last_sequence) > before
    events = db.read_blocking(lambda session: list_events(session, Page.asked(1, 4)))
    assert [event.entry.action for event in events.items] == [
        "group_deleted",
        "group_changed",
        "member_added",
        "group_created",
    ]
    assert events.items[1].entry.details == {"name": "Forge", "full_path": "forge"}
    assert events.items[1].entry.actor == admin.actor
