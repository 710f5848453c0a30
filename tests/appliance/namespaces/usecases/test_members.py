from collections.abc import Sequence
from datetime import timedelta

import pytest

from appliance.accounts.rules import User
from appliance.accounts.usecases import get_user
from appliance.errors import InvalidFieldsError, NotFoundError
from appliance.namespaces import usecases
from appliance.namespaces.errors import (
    AccessLevelNeededError,
    LastOwnerError,
    MemberExistsError,
)
from appliance.namespaces.rules import AccessLevel, Membership, Namespace
from appliance.storage.engine import Db
from appliance.storage.paging import Page
from tests.appliance.namespaces.builders import add_group, add_member, add_user
from tests.instance_builders import NOW

TOMORROW = NOW.date() + timedelta(days=1)
OWNER, MAINTAINER, DEVELOPER = AccessLevel.OWNER, AccessLevel.MAINTAINER, AccessLevel.DEVELOPER


@pytest.fixture
def admin(db: Db) -> User:
    return add_user(db, "root", is_admin=True)


@pytest.fixture
def ada(db: Db) -> User:
    return add_user(db, "ada")


@pytest.fixture
def lab(db: Db, admin: User) -> Namespace:
    return add_group(db, admin, "lab")


@pytest.fixture
def leaf(db: Db, admin: User, lab: Namespace) -> Namespace:
    return add_group(db, admin, "x", parent=lab)


def _remove(db: Db, caller: User, group: Namespace, user: User) -> None:
    db.write_blocking(
        lambda session: usecases.remove_member(session, group, user.id, caller_user=caller, now=NOW)
    )


def _level(db: Db, user: User, group: Namespace, days: int = 0) -> AccessLevel | None:
    now = NOW + timedelta(days=days)
    return db.read_blocking(lambda session: usecases.access_level(session, user, group, now=now))


def _listed(db: Db, group: Namespace, *, inherited: bool) -> Sequence[tuple[str, AccessLevel]]:
    found = db.read_blocking(
        lambda session: usecases.list_members(
            session, group, Page.asked(1, 20), inherited=inherited, now=NOW
        )
    )
    assert found.total == len(found.items)
    return [(each.user.username, each.membership.access_level) for each in found.items]


def test_a_role_holds_for_the_groups_below_and_the_highest_counts(
    db: Db, admin: User, ada: User, lab: Namespace, leaf: Namespace
) -> None:
    add_member(db, admin, leaf, user=ada, level=DEVELOPER)
    assert (_level(db, ada, lab), _level(db, ada, leaf)) == (None, DEVELOPER)
    add_member(db, admin, lab, user=ada, level=MAINTAINER)
    assert (_level(db, ada, lab), _level(db, ada, leaf)) == (MAINTAINER, MAINTAINER)
    assert _listed(db, leaf, inherited=False) == [("ada", DEVELOPER)]
    assert _listed(db, leaf, inherited=True) == [("root", OWNER), ("ada", MAINTAINER)]


def test_an_ended_membership_is_none(db: Db, admin: User, ada: User, lab: Namespace) -> None:
    add_member(db, admin, lab, user=ada, expires_on=TOMORROW)
    assert (_level(db, ada, lab), _level(db, ada, lab, days=1)) == (DEVELOPER, None)
    membership = Membership(user_id=ada.id, namespace_id=lab.id, access_level=DEVELOPER)
    with pytest.raises(MemberExistsError):
        db.write_blocking(lambda s: usecases.add_member(s, membership, caller_user=admin, now=NOW))
    later = NOW + timedelta(days=1)
    db.write_blocking(lambda s: usecases.add_member(s, membership, caller_user=admin, now=later))
    assert _level(db, ada, lab, days=1) is DEVELOPER


def test_owners_decide_who_belongs(db: Db, admin: User, ada: User, lab: Namespace) -> None:
    bob = add_user(db, "bob")
    with pytest.raises(NotFoundError):
        add_member(db, ada, lab, user=bob)
    add_member(db, admin, lab, user=ada, level=MAINTAINER)
    with pytest.raises(AccessLevelNeededError):
        add_member(db, ada, lab, user=bob)
    add_member(db, admin, lab, user=ada, level=OWNER)
    add_member(db, ada, lab, user=bob)
    with pytest.raises(AccessLevelNeededError):
        _remove(db, bob, lab, ada)
    _remove(db, bob, lab, bob)
    assert _level(db, bob, lab) is None
    with pytest.raises(NotFoundError):
        _remove(db, ada, lab, bob)


def test_a_root_keeps_an_owner_who_lasts(
    db: Db, admin: User, ada: User, lab: Namespace, leaf: Namespace
) -> None:
    with pytest.raises(LastOwnerError):
        _remove(db, admin, lab, admin)
    with pytest.raises(LastOwnerError):
        add_member(db, admin, lab, user=admin, level=MAINTAINER)
    add_member(db, admin, lab, user=ada, level=OWNER, expires_on=TOMORROW)
    with pytest.raises(LastOwnerError):
        _remove(db, admin, lab, admin)
    add_member(db, admin, lab, user=ada, level=OWNER)
    _remove(db, admin, lab, admin)
    add_member(db, admin, leaf, user=ada, level=OWNER)
    _remove(db, admin, leaf, ada)


def test_a_membership_does_not_begin_ended(db: Db, admin: User, ada: User, lab: Namespace) -> None:
    with pytest.raises(InvalidFieldsError, match="expires_at"):
        add_member(db, admin, lab, user=ada, expires_on=NOW.date())


def test_every_change_of_role_makes_the_user_s_tokens_stale(
    db: Db, admin: User, ada: User, lab: Namespace
) -> None:
    add_member(db, admin, lab, user=ada)
    add_member(db, admin, lab, user=ada, level=MAINTAINER)
    _remove(db, admin, lab, ada)
    found = db.read_blocking(lambda session: get_user(session, ada.id))
    assert found.grant_generation == 3


def test_one_member_is_found_with_the_highest_role(
    db: Db, admin: User, ada: User, lab: Namespace, leaf: Namespace
) -> None:
    add_member(db, admin, lab, user=ada)

    def found(*, inherited: bool) -> AccessLevel:
        member = db.read_blocking(
            lambda s: usecases.get_member(s, leaf, ada.id, inherited=inherited, now=NOW)
        )
        return member.membership.access_level

    assert found(inherited=True) is DEVELOPER
    with pytest.raises(NotFoundError):
        found(inherited=False)


def _default(db: Db, user: User) -> str | None:
    found = db.read_blocking(lambda s: usecases.default_namespace(s, user, now=NOW))
    return None if found is None else found.full_path


def _choose(db: Db, user: User, namespace_id: int | None) -> None:
    db.write_blocking(lambda s: usecases.set_default_namespace(s, user, namespace_id, now=NOW))


def test_the_default_is_the_chosen_group_or_the_only_root(
    db: Db, admin: User, ada: User, lab: Namespace, leaf: Namespace
) -> None:
    assert _default(db, ada) is None
    add_member(db, admin, lab, user=ada)
    assert _default(db, ada) == "lab"
    _choose(db, ada, leaf.id)
    assert _default(db, ada) == "lab/x"
    other = add_group(db, admin, "other")
    add_member(db, admin, other, user=ada)
    _choose(db, ada, None)
    _choose(db, ada, None)
    assert _default(db, ada) is None


def test_a_default_ends_with_the_membership(db: Db, admin: User, ada: User, lab: Namespace) -> None:
    add_member(db, admin, lab, user=ada)
    _choose(db, ada, lab.id)
    _remove(db, admin, lab, ada)
    assert _default(db, ada) is None


def test_a_default_is_a_group_the_user_belongs_to(db: Db, admin: User, ada: User) -> None:
    open_to_all = add_group(db, admin, "open", visibility="internal")
    for number in (open_to_all.id, 999):
        with pytest.raises(NotFoundError):
            _choose(db, ada, number)
