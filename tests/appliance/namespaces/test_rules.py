from datetime import date, timedelta

import pytest

from appliance.errors import InvalidFieldsError
from appliance.namespaces.errors import AccessLevelNeededError
from appliance.namespaces.rules import (
    MAX_DEPTH,
    AccessLevel,
    Membership,
    Visibility,
    check_expiry,
    check_full_path,
    check_level,
    check_move,
    check_names,
    check_place,
    check_visibility,
    effective_level,
    full_path,
    is_visible,
    parse_reference,
    shift,
)
from tests.appliance.namespaces.builders import a_namespace
from tests.instance_builders import NOW, a_user

TODAY = NOW.date()


def _holds(level: AccessLevel, expires_on: date | None = None) -> Membership:
    return Membership(user_id=7, namespace_id=4, access_level=level, expires_on=expires_on)


@pytest.mark.parametrize("path", ["a", "A-b_c.d", ".dot", "_x", "1", "a" * 255, "git"])
def test_a_path_may_be(path: str) -> None:
    check_names("n", path, "d")


@pytest.mark.parametrize(
    "path", ["", "-a", "a/b", "a b", "a.", "a.git", "a.ATOM", "ä", "a\n", "a" * 256]
)
def test_a_path_may_not_be(path: str) -> None:
    with pytest.raises(InvalidFieldsError, match="path"):
        check_names(None, path, None)


def test_names_and_descriptions_have_a_length_and_no_control_characters() -> None:
    check_names("Zoë's group", None, "two\nlines")
    with pytest.raises(InvalidFieldsError) as caught:
        check_names(" ", None, "\0")
    assert set(caught.value.fields) == {"name", "description"}
    with pytest.raises(InvalidFieldsError):
        check_names("n" * 256, None, "d" * 2001)


def test_a_full_path_leads_through_the_groups_above() -> None:
    assert full_path("x", parent=None) == "x"
    assert full_path("x", parent=a_namespace(full_path="a/b")) == "a/b/x"


def test_a_root_does_not_stand_in_the_way_of_the_instance() -> None:
    with pytest.raises(InvalidFieldsError, match="reserved"):
        full_path("API", parent=None)
    assert full_path("api", parent=a_namespace()) == "lab/api"


def test_a_full_path_does_not_grow_past_what_can_be_indexed() -> None:
    parent = a_namespace(full_path="a" * 1998)
    assert full_path("x", parent=parent)
    with pytest.raises(InvalidFieldsError, match="too long"):
        full_path("xy", parent=parent)


def test_groups_are_nested_twenty_deep() -> None:
    check_place(None)
    check_place(a_namespace(depth=MAX_DEPTH - 1))
    with pytest.raises(InvalidFieldsError, match="20 deep"):
        check_place(a_namespace(depth=MAX_DEPTH))


@pytest.mark.parametrize(
    ("own", "above", "below", "passes"),
    [
        ("private", None, [], True),
        ("public", None, ["private", "public"], True),
        ("internal", "public", [], True),
        ("internal", "internal", ["internal"], True),
        ("internal", "private", [], False),
        ("private", None, ["internal"], False),
    ],
)
def test_nothing_is_wider_than_what_it_lies_in(
    own: Visibility, above: Visibility | None, below: list[Visibility], passes: bool
) -> None:
    if passes:
        check_visibility(own, above=above, below=below)
    else:
        with pytest.raises(InvalidFieldsError, match="visibility"):
            check_visibility(own, above=above, below=below)


def test_the_highest_role_over_the_chain_counts() -> None:
    held = [_holds(AccessLevel.GUEST), _holds(AccessLevel.MAINTAINER)]
    assert effective_level(a_user(), held, today=TODAY) is AccessLevel.MAINTAINER
    assert effective_level(a_user(), [], today=TODAY) is None


def test_an_admin_counts_as_an_owner_everywhere() -> None:
    assert effective_level(a_user(is_admin=True), [], today=TODAY) is AccessLevel.OWNER


def test_a_membership_ends_on_its_day() -> None:
    tomorrow = TODAY + timedelta(days=1)
    ending = [_holds(AccessLevel.OWNER, tomorrow)]
    assert effective_level(a_user(), ending, today=TODAY) is AccessLevel.OWNER
    assert effective_level(a_user(), ending, today=tomorrow) is None
    check_expiry(None, today=TODAY)
    check_expiry(tomorrow, today=TODAY)
    with pytest.raises(InvalidFieldsError, match="expires_at"):
        check_expiry(TODAY, today=TODAY)


def test_an_owner_lasts_without_an_end_only() -> None:
    assert _holds(AccessLevel.OWNER).is_lasting_owner()
    assert not _holds(AccessLevel.OWNER, TODAY).is_lasting_owner()
    assert not _holds(AccessLevel.MAINTAINER).is_lasting_owner()


def test_a_private_group_is_for_its_members_and_others_for_all() -> None:
    assert is_visible("private", AccessLevel.GUEST)
    assert not is_visible("private", None)
    assert is_visible("internal", None)
    assert is_visible("public", None)


def test_a_role_reaches_or_is_named() -> None:
    check_level(AccessLevel.OWNER, AccessLevel.OWNER)
    for level in (None, AccessLevel.MAINTAINER):
        with pytest.raises(AccessLevelNeededError, match="owner"):
            check_level(level, AccessLevel.OWNER)


@pytest.mark.parametrize(
    ("text", "named"),
    [("12", 12), ("lab/x", "lab/x"), ("1/2", "1/2"), ("1" * 11, "1" * 11), ("²", "²")],
)
def test_a_group_is_named_by_number_or_path(text: str, named: int | str) -> None:
    assert parse_reference(text) == named


def test_a_group_is_not_moved_to_where_it_is_or_into_itself() -> None:
    group = a_namespace(id=5, parent_id=4, ancestry=(4, 5), depth=2)
    check_move(group, None, levels=MAX_DEPTH)
    check_move(group, a_namespace(id=6, ancestry=(6,)), levels=MAX_DEPTH - 1)
    for parent in (a_namespace(), group, a_namespace(id=7, ancestry=(4, 5, 7))):
        with pytest.raises(InvalidFieldsError, match="group_id"):
            check_move(group, parent, levels=1)
    with pytest.raises(InvalidFieldsError, match="nested"):
        check_move(group, a_namespace(id=6, ancestry=(6,)), levels=MAX_DEPTH)


def test_a_group_is_not_moved_to_where_more_people_would_see_it() -> None:
    group = a_namespace(visibility="internal")
    check_move(group, a_namespace(id=6, ancestry=(6,), visibility="internal"), levels=1)
    with pytest.raises(InvalidFieldsError, match="wider"):
        check_move(group, a_namespace(id=6, ancestry=(6,)), levels=1)


def test_the_longest_address_has_an_end() -> None:
    check_full_path(2000)
    with pytest.raises(InvalidFieldsError, match="too long"):
        check_full_path(2001)


def test_a_move_is_left_and_joined_by_those_above() -> None:
    before = a_namespace(id=5, root_id=1, ancestry=(1, 2, 5))
    within = shift(before, a_namespace(id=5, root_id=1, ancestry=(1, 3, 5)))
    assert (within.left, within.joined) == (frozenset({2}), frozenset({3}))
    assert not within.is_to_another_tree
    away = shift(before, a_namespace(id=5, root_id=5, ancestry=(5,)))
    assert (away.left, away.joined) == (frozenset({1, 2}), frozenset())
    assert away.is_to_another_tree
