"""When a flag is on for somebody."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import InvalidFieldsError
from appliance.feature_flags.rules import (
    Asker,
    DefinitionsError,
    Gate,
    GateKind,
    gates_of,
    is_off_for_everyone,
    is_on,
    load_definitions,
    narrowed_for,
    on_flags,
    parse_definitions,
    parse_value,
    shown_gates,
    state_of,
)

FLAG = load_definitions()["ai_duo_chat_switch"]
ADA = Asker(user_id=7, namespaces=(1, 5))


def a_gate(kind: GateKind, value: int, subject_id: int = 0, flag: str = FLAG.name) -> Gate:
    return Gate(flag=flag, kind=kind, subject_id=subject_id, value=value)


def test_the_default_holds_until_something_is_set() -> None:
    assert is_on(FLAG, [], ADA)
    assert not is_on(FLAG, [a_gate("everyone", 0)], ADA)


def test_what_is_set_for_a_user_comes_before_all_else() -> None:
    gates = [a_gate("user", 1, 7), a_gate("namespace", 0, 5), a_gate("everyone", 0)]
    assert is_on(FLAG, gates, ADA)
    assert not is_on(FLAG, [a_gate("user", 0, 7), a_gate("namespace", 1, 5)], ADA)


def test_what_is_set_for_a_group_holds_below_it() -> None:
    gates = [a_gate("namespace", 1, 1), a_gate("everyone", 0)]
    assert is_on(FLAG, gates, ADA)
    assert not is_on(FLAG, gates, Asker(user_id=7, namespaces=(2,)))


def test_of_a_group_and_one_above_it_the_nearer_decides() -> None:
    assert not is_on(FLAG, [a_gate("namespace", 1, 1), a_gate("namespace", 0, 5)], ADA)
    assert is_on(FLAG, [a_gate("namespace", 0, 1), a_gate("namespace", 1, 5)], ADA)


def test_another_flags_settings_change_nothing() -> None:
    assert is_on(FLAG, [a_gate("everyone", 0, flag="other")], ADA)


@given(st.integers(min_value=0, max_value=100))
def test_a_share_of_users_is_about_that_share_and_only_grows(share: int) -> None:
    def on(percent: int) -> set[int]:
        gates = [a_gate("percentage_of_users", percent)]
        return {
            user for user in range(400) if is_on(FLAG, gates, Asker(user_id=user, namespaces=()))
        }

    assert abs(len(on(share)) / 400 - share / 100) < 0.12
    assert on(share) <= on(min(100, share + 10))


def test_a_share_says_nothing_of_nobody() -> None:
    assert is_on(FLAG, [a_gate("percentage_of_users", 0)], Asker(user_id=None, namespaces=()))


def test_all_flags_that_are_on() -> None:
    on = on_flags(load_definitions(), [a_gate("everyone", 0)], ADA)
    assert on == set(load_definitions()) - {FLAG.name}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("not toml", "Expected"),
        ("[ai_global_switch]\ndescription = 1\nis_on_by_default = true", "Expected `str`"),
        ('[x]\ndescription = "x"\nis_on_by_default = true', "ai_global_switch is missing"),
        (
            '[ai_global_switch]\ndescription = "x"\nis_on_by_default = true\nfeatures = ["nix"]',
            "unknown feature nix",
        ),
    ],
)
def test_a_wrong_file_is_refused(text: str, reason: str) -> None:
    with pytest.raises(DefinitionsError, match=reason):
        parse_definitions(text, features=())


def test_what_a_value_sets() -> None:
    assert gates_of("f", True, ()) == [a_gate("everyone", 1, flag="f")]
    assert gates_of("f", False, [("user", 7), ("namespace", 5)]) == [
        a_gate("user", 0, 7, flag="f"),
        a_gate("namespace", 0, 5, flag="f"),
    ]
    assert gates_of("f", 30, ()) == [a_gate("percentage_of_users", 30, flag="f")]


@pytest.mark.parametrize(("value", "subjects"), [(101, ()), (-1, ()), (5, [("user", 1)])])
def test_a_wrong_share_is_refused(value: int, subjects: list[tuple[str, int]]) -> None:
    with pytest.raises(InvalidFieldsError):
        gates_of("f", value, subjects)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sent", "value"),
    [(True, True), ("false", False), ("TRUE", True), (30, 30), ("100", 100), (0, 0)],
)
def test_a_client_sends_on_off_or_a_share(sent: bool | int | str, value: bool | int) -> None:
    assert parse_value(sent) == value
    assert isinstance(parse_value(sent), type(value))


@pytest.mark.parametrize("sent", ["maybe", "-1", "1000", "²", ""])
def test_what_is_neither_is_refused(sent: str) -> None:
    with pytest.raises(InvalidFieldsError):
        parse_value(sent)


def test_a_share_is_no_switch() -> None:
    assert parse_value("30", is_share=True) == 30
    with pytest.raises(InvalidFieldsError):
        parse_value(True, is_share=True)


def test_a_flag_is_shown_in_gitlab_s_words() -> None:
    assert state_of(FLAG, []) == "on"
    assert state_of(FLAG, [a_gate("everyone", 0)]) == "off"
    gates = [a_gate("percentage_of_users", 30), a_gate("user", 1, 1), a_gate("namespace", 0, 2)]
    assert state_of(FLAG, gates) == "conditional"
    assert shown_gates(FLAG, gates) == [
        {"key": "boolean", "value": True},
        {"key": "percentage_of_actors", "value": 30},
        {"key": "actors", "value": ["User:1"]},
        {"key": "actors_off", "value": ["Group:2"]},
    ]
    assert shown_gates(FLAG, [a_gate("everyone", 0)]) == [{"key": "boolean", "value": False}]


OFF_BY_DEFAULT = replace(FLAG, is_on_by_default=False)


@pytest.mark.parametrize(
    ("gates", "is_off"),
    [
        ([], False),
        ([a_gate("everyone", 0)], True),
        ([a_gate("percentage_of_users", 0)], True),
        ([a_gate("percentage_of_users", 1)], False),
        ([a_gate("everyone", 0), a_gate("user", 1, 7)], False),
        ([a_gate("everyone", 0), a_gate("user", 0, 7), a_gate("namespace", 0, 5)], True),
        ([a_gate("everyone", 0), a_gate("user", 1, 7, flag="other")], True),
    ],
)
def test_a_flag_is_off_for_everyone_when_nothing_lets_anybody_in(
    gates: list[Gate], is_off: bool
) -> None:
    assert is_off_for_everyone(FLAG, gates) is is_off


def test_a_flag_that_is_off_by_default_is_off_for_everyone() -> None:
    assert is_off_for_everyone(OFF_BY_DEFAULT, [])
    assert not is_off_for_everyone(OFF_BY_DEFAULT, [a_gate("user", 1, 7)])


@pytest.mark.parametrize(
    ("before", "after", "narrowed"),
    [
        ([], [], frozenset()),
        ([], [a_gate("everyone", 0)], None),
        ([a_gate("everyone", 0)], [a_gate("everyone", 1)], frozenset()),
        ([a_gate("everyone", 0)], [], frozenset()),
        ([], [a_gate("percentage_of_users", 99)], None),
        ([a_gate("percentage_of_users", 5)], [a_gate("percentage_of_users", 6)], frozenset()),
        ([], [a_gate("user", 0, 7)], frozenset({7})),
        ([a_gate("user", 1, 7)], [a_gate("user", 0, 7)], frozenset({7})),
        ([a_gate("user", 1, 7)], [], frozenset({7})),
        ([a_gate("user", 0, 7)], [], frozenset()),
        ([], [a_gate("user", 1, 7)], frozenset()),
        ([], [a_gate("namespace", 0, 5)], None),
        ([], [a_gate("user", 0, 7), a_gate("namespace", 0, 5)], None),
        ([], [a_gate("everyone", 0, flag="other")], frozenset()),
    ],
)
def test_a_change_says_whom_it_may_take_something_from(
    before: list[Gate], after: list[Gate], narrowed: frozenset[int] | None
) -> None:
    assert narrowed_for(FLAG, before, after) == narrowed


SUBJECT_GATES = st.builds(
    a_gate, st.sampled_from(["user", "namespace"]), st.integers(0, 1), st.integers(1, 3)
)
OTHERS = st.one_of(
    st.none(),
    st.builds(a_gate, st.just("everyone"), st.integers(0, 1)),
    st.builds(a_gate, st.just("percentage_of_users"), st.integers(0, 100)),
)


@st.composite
def some_gates(draw: st.DrawFn) -> list[Gate]:
    by_subject = {(g.kind, g.subject_id): g for g in draw(st.lists(SUBJECT_GATES, max_size=4))}
    others = draw(OTHERS)
    return [*by_subject.values(), *([] if others is None else [others])]


@given(some_gates(), some_gates(), st.integers(1, 5), st.lists(st.integers(1, 3), max_size=2))
def test_nobody_loses_a_flag_unnoticed(
    before: list[Gate], after: list[Gate], user_id: int, namespaces: list[int]
) -> None:
    asker = Asker(user_id=user_id, namespaces=namespaces)
    narrowed = narrowed_for(FLAG, before, after)
    if is_on(FLAG, before, asker) and not is_on(FLAG, after, asker):
        assert narrowed is None or user_id in narrowed
    if is_off_for_everyone(FLAG, after):
        assert not is_on(FLAG, after, asker)
