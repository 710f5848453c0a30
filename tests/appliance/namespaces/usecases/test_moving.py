from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from appliance.accounts.errors import AdminNeededError
from appliance.accounts.rules import User
from appliance.accounts.usecases import get_user
from appliance.audit.usecases import list_events
from appliance.errors import ApplianceError, InvalidFieldsError, NotFoundError
from appliance.namespaces import usecases
from appliance.namespaces.errors import (
    AccessLevelNeededError,
    OwnsPurchasesError,
    PathTakenError,
)
from appliance.namespaces.rules import MAX_DEPTH, AccessLevel, Namespace
from appliance.namespaces.usecases import Surroundings
from appliance.storage.engine import Db, Session
from appliance.storage.outbox import changes_after
from appliance.storage.paging import Page
from tests.appliance.namespaces.builders import add_group, add_member, add_user
from tests.instance_builders import NOW


@pytest.fixture
def admin(db: Db) -> User:
    return add_user(db, "root", is_admin=True)


@contextmanager
def _unwatched(*_: object, **__: object) -> Iterator[None]:
    yield


def _around(**changes: Any) -> Surroundings:
    fields = {"follow": lambda *_: None, "watch": _unwatched, "owns_purchases": lambda *_: False}
    return Surroundings(**{**fields, **changes})


def _move(db: Db, caller: User, group: Namespace, to: Namespace | None, **around: Any) -> Namespace:
    return db.write_blocking(
        lambda session: usecases.move_group(
            session,
            usecases.get_namespace(session, group.id),
            None if to is None else to.id,
            surroundings=_around(**around),
            caller_user=caller,
            now=NOW,
        )
    )


def _get(db: Db, group: Namespace) -> Namespace:
    return db.read_blocking(lambda session: usecases.get_namespace(session, group.id))


def test_what_lies_below_moves_too(db: Db, admin: User) -> None:
    lab, forge = add_group(db, admin, "lab"), add_group(db, admin, "forge")
    team = add_group(db, admin, "team", parent=lab)
    leaf = add_group(db, admin, "Leaf", parent=add_group(db, admin, "in", parent=team))
    beside = add_group(db, admin, "teams", parent=lab)
    moved = _move(db, admin, team, forge)
    assert (moved.parent_id, moved.root_id, moved.depth) == (forge.id, forge.id, 2)
    assert (moved.ancestry, moved.full_path) == ((forge.id, team.id), "forge/team")
    below = _get(db, leaf)
    assert (below.parent_id, below.root_id, below.depth) == (leaf.parent_id, forge.id, 4)
    assert below.ancestry[:2] == moved.ancestry
    assert below.full_path == "forge/team/in/Leaf"
    assert db.read_blocking(lambda s: usecases.find_namespace(s, "FORGE/team/in/leaf")) == below
    assert _get(db, beside) == beside


def test_a_group_becomes_a_root_and_a_root_goes_below_another(db: Db, admin: User) -> None:
    lab, forge = add_group(db, admin, "lab"), add_group(db, admin, "forge")
    team = add_group(db, admin, "team", parent=lab)
    top = _move(db, admin, team, None)
    assert (top.parent_id, top.root_id, top.depth, top.full_path) == (None, team.id, 1, "team")
    assert _move(db, admin, forge, team).full_path == "team/forge"


def test_a_group_stays_out_of_circles_and_of_where_it_is(db: Db, admin: User) -> None:
    lab = add_group(db, admin, "lab")
    team = add_group(db, admin, "team", parent=lab)
    leaf = add_group(db, admin, "leaf", parent=team)
    for group, to, sentence in (
        (team, team, "below it"),
        (lab, leaf, "below it"),
        (team, lab, "already"),
        (lab, None, "already"),
    ):
        with pytest.raises(InvalidFieldsError, match=sentence):
            _move(db, admin, group, to)


def test_nothing_ends_up_too_deep_too_long_or_seen_by_too_many(db: Db, admin: User) -> None:
    deep = add_group(db, admin, "deep")
    for _ in range(MAX_DEPTH - 2):
        deep = add_group(db, admin, "g", parent=deep)
    pair = add_group(db, admin, "pair")
    leaf = add_group(db, admin, "leaf", parent=pair)
    with pytest.raises(InvalidFieldsError, match="nested 20 deep"):
        _move(db, admin, pair, deep)
    assert _move(db, admin, leaf, deep).depth == MAX_DEPTH
    wide = add_group(db, admin, "wide", visibility="internal")
    with pytest.raises(InvalidFieldsError, match="wider"):
        _move(db, admin, wide, pair)
    long = add_group(db, admin, "a" * 250)
    for _ in range(6):
        long = add_group(db, admin, "b" * 250, parent=long)
    tail = add_group(db, admin, "c" * 200)
    add_group(db, admin, "d" * 100, parent=tail)
    with pytest.raises(InvalidFieldsError, match="too long"):
        _move(db, admin, tail, long)


def test_a_path_that_is_taken_there_refuses_the_move(db: Db, admin: User) -> None:
    lab, forge = add_group(db, admin, "lab"), add_group(db, admin, "forge")
    add_group(db, admin, "team", parent=forge)
    with pytest.raises(PathTakenError):
        _move(db, admin, add_group(db, admin, "TEAM", parent=lab), forge)
    with pytest.raises(InvalidFieldsError, match="reserved"):
        _move(db, admin, add_group(db, admin, "api", parent=lab), None)


def test_who_owns_both_may_move_and_only_admins_to_the_top(db: Db, admin: User) -> None:
    lab, forge = add_group(db, admin, "lab"), add_group(db, admin, "forge")
    team = add_group(db, admin, "team", parent=lab)
    ada = add_user(db, "ada")

    def refusal(to: Namespace | None) -> type[ApplianceError]:
        with pytest.raises(ApplianceError) as caught:
            _move(db, ada, team, to)
        return type(caught.value)

    assert refusal(forge) is NotFoundError
    add_member(db, admin, team, user=ada, level=AccessLevel.MAINTAINER)
    assert refusal(forge) is AccessLevelNeededError
    add_member(db, admin, team, user=ada, level=AccessLevel.OWNER)
    assert refusal(forge) is NotFoundError
    assert refusal(None) is AdminNeededError
    add_member(db, admin, forge, user=ada, level=AccessLevel.MAINTAINER)
    assert refusal(forge) is AccessLevelNeededError
    add_member(db, admin, forge, user=ada, level=AccessLevel.OWNER)
    assert _move(db, ada, team, forge).full_path == "forge/team"


def test_a_root_that_owns_purchases_stays_one(db: Db, admin: User) -> None:
    lab, forge = add_group(db, admin, "lab"), add_group(db, admin, "forge")
    with pytest.raises(OwnsPurchasesError, match="licences"):
        _move(db, admin, lab, forge, owns_purchases=lambda _, group: group.id == lab.id)
    assert _get(db, lab) == lab


def test_what_lies_in_it_follows_and_what_counts_is_compared_around_it(db: Db, admin: User) -> None:
    lab, forge = add_group(db, admin, "lab"), add_group(db, admin, "forge")
    team = add_group(db, admin, "team", parent=lab)
    seen: list[object] = []

    @contextmanager
    def watch(session: Session, moved: Namespace, **by: Any) -> Iterator[None]:
        seen.append((moved, by))
        yield
        seen.append(usecases.get_namespace(session, moved.id))

    after = _move(db, admin, team, forge, watch=watch, follow=lambda *told: seen.append(told[1:]))
    assert seen == [(team, {"actor": admin.actor, "now": NOW}), after, (team, after)]


def _generations(db: Db, *users: User) -> list[int]:
    return db.read_blocking(
        lambda session: [get_user(session, each.id).grant_generation for each in users]
    )


def test_tokens_of_all_whose_roles_or_purchases_change_become_stale(db: Db, admin: User) -> None:
    lab, forge = add_group(db, admin, "lab"), add_group(db, admin, "forge")
    team = add_group(db, admin, "team", parent=lab)
    leaf = add_group(db, admin, "leaf", parent=team)
    loser, gainer, insider, stranger = users = [add_user(db, name) for name in "abcd"]
    for group, user in ((lab, loser), (forge, gainer), (leaf, insider)):
        add_member(db, admin, group, user=user)
    before = _generations(db, *users)
    _move(db, admin, team, forge)
    assert _generations(db, *users) == [
        each + n for each, n in zip(before, (1, 1, 1, 0), strict=True)
    ]
    assert stranger.grant_generation == 0


def test_within_one_tree_only_those_in_between_are_concerned(db: Db, admin: User) -> None:
    lab = add_group(db, admin, "lab")
    first, second = (add_group(db, admin, name, parent=lab) for name in ("one", "two"))
    leaf = add_group(db, admin, "leaf", parent=first)
    users = [add_user(db, name) for name in "abcd"]
    for group, user in zip((lab, first, second, leaf), users, strict=True):
        add_member(db, admin, group, user=user)
    before = _generations(db, *users)
    _move(db, admin, leaf, second)
    assert _generations(db, *users) == [
        each + n for each, n in zip(before, (0, 1, 1, 0), strict=True)
    ]


def test_a_move_is_published_and_in_the_log(db: Db, admin: User) -> None:
    lab, forge = add_group(db, admin, "lab"), add_group(db, admin, "forge")
    team = add_group(db, admin, "team", parent=lab)
    _move(db, admin, team, forge)
    published = db.read_blocking(lambda session: changes_after(session, 0))
    assert (published[-1].topic, published[-1].payload) == (
        "namespace",
        {"id": team.id, "change": "moved"},
    )
    (event,) = db.read_blocking(lambda session: list_events(session, Page.asked(1, 1))).items
    assert event.entry.action == "group_moved"
    assert event.entry.details == {
        "full_path": "forge/team",
        "parent_id": forge.id,
        "previous_full_path": "lab/team",
        "previous_parent_id": lab.id,
    }


def _statements(db: Db, admin: User, team: Namespace, to: Namespace) -> int:
    asked: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        asked.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    _move(db, admin, team, to)
    event.remove(db.engine, "before_cursor_execute", note)
    return len(asked)


def test_a_move_takes_as_many_statements_however_much_lies_below(db: Db, admin: User) -> None:
    lab, forge = add_group(db, admin, "lab"), add_group(db, admin, "forge")
    team = add_group(db, admin, "team", parent=lab)
    few = _statements(db, admin, team, forge)
    for number in range(12):
        add_group(db, admin, f"g{number}", parent=team)
    assert _statements(db, admin, team, lab) == few
