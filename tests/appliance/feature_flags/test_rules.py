"""When a flag is on for somebody."""

import tomllib
from dataclasses import replace
from pathlib import Path

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
    is_on_for_everyone,
    load_definitions,
    names_near,
    narrowed_for,
    on_flags,
    parse_definitions,
    parse_release,
    parse_value,
    pushed_to,
    shown_gates,
    stale_flags,
    state_of,
)
from gateway.contract.catalog import load_catalog
from gateway.contract.selection import SWITCHING_FLAG

FLAG = load_definitions()["ai_duo_chat_switch"]
PROMPTS = Path(__file__).parents[3] / "gateway" / "prompts" / "library"
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
    by_default = {name for name, each in load_definitions().items() if each.is_on_by_default}
    assert on == by_default - {FLAG.name}


WRITTEN = 'type = "ops"\ndescription = "x"\nis_on_by_default = true\nowner = "x"\n'
GLOBAL = f'[ai_global_switch]\n{WRITTEN}since = "0.1.0"\n'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("not toml", "Expected"),
        ("[ai_global_switch]\ndescription = 1", "Expected `str`"),
        (GLOBAL.replace("ops", "forever"), "forever"),
        (f'[x]\n{WRITTEN}since = "0.1.0"', "ai_global_switch is missing"),
        (f'{GLOBAL}features = ["nix"]', "unknown feature nix"),
        (f'{GLOBAL}until = "soon"', "soon is no release"),
        (f'{GLOBAL}[chat]\n{WRITTEN}since = "1"\nfeatures = ["chat"]', "1 is no release"),
        (f'{GLOBAL}[chat]\n{WRITTEN}since = "0.1.0"', "chat: called like a feature"),
        (GLOBAL, "no flag guards chat"),
    ],
)
def test_a_wrong_file_is_refused(text: str, reason: str) -> None:
    with pytest.raises(DefinitionsError, match=reason):
        parse_definitions(text, features=("chat",))


def test_every_feature_has_a_flag_that_is_not_called_like_it() -> None:
    features, definitions = load_catalog().features, load_definitions()
    assert not set(features) & set(definitions)
    assert {name for each in definitions.values() for name in each.features} == set(features)


def test_the_gateway_is_told_of_the_flags_that_it_asks_for_alone() -> None:
    definitions = load_definitions()
    told = pushed_to("gateway", definitions, definitions)
    assert told == {"ai_global_switch", SWITCHING_FLAG, "new_prompt_template"}
    assert pushed_to("gateway", [FLAG.name], definitions) == frozenset()


def test_what_a_prompt_waits_for_is_told_to_the_gateway() -> None:
    definitions = load_definitions()
    texts = [path.read_text() for path in PROMPTS.rglob("*.toml")]
    named = {flag for text in texts if (flag := tomllib.loads(text).get("flag")) is not None}
    assert named <= pushed_to("gateway", definitions, definitions)


def test_who_errs_is_told_what_may_have_been_meant() -> None:
    definitions = load_definitions()
    assert names_near("ai_duo_chat_swich", definitions)[0] == FLAG.name
    assert FLAG.name in names_near("duo_chat_fix_code", definitions)
    assert "ai_duo_chat_fix_code_switch" in names_near("duo_chat_fix_code", definitions)
    assert not names_near("ai_duo_chat_switch" * 10_000, definitions)


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
    assert state_of([], is_on_by_default=True) == "on"
    assert state_of([a_gate("everyone", 0)], is_on_by_default=True) == "off"
    gates = [a_gate("percentage_of_users", 30), a_gate("user", 1, 1), a_gate("namespace", 0, 2)]
    assert state_of(gates, is_on_by_default=True) == "conditional"
    assert shown_gates(gates, is_on_by_default=True) == [
        {"key": "boolean", "value": True},
        {"key": "percentage_of_actors", "value": 30},
        {"key": "actors", "value": ["User:1"]},
        {"key": "actors_off", "value": ["Group:2"]},
    ]
    off = [{"key": "boolean", "value": False}]
    assert shown_gates([a_gate("everyone", 0)], is_on_by_default=True) == off


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
    ("gates", "is_on"),
    [
        ([], True),
        ([a_gate("everyone", 0)], False),
        ([a_gate("percentage_of_users", 99)], False),
        ([a_gate("percentage_of_users", 100), a_gate("user", 1, 7)], True),
        ([a_gate("user", 0, 7)], False),
        ([a_gate("namespace", 0, 5)], False),
        ([a_gate("user", 0, 7, flag="other")], True),
    ],
)
def test_a_flag_is_on_for_everyone_when_nothing_keeps_anybody_out(
    gates: list[Gate], *, is_on: bool
) -> None:
    assert is_on_for_everyone(FLAG, gates) is is_on
    assert not is_on_for_everyone(OFF_BY_DEFAULT, gates) or gates


@pytest.mark.parametrize(
    ("version", "release"),
    [("1.20.3", (1, 20, 3)), ("0.2.0.dev1", (0, 2, 0)), ("0+source", None), ("", None)],
)
def test_a_version_belongs_to_a_release(version: str, release: tuple[int, int, int] | None) -> None:
    assert parse_release(version) == release


@pytest.mark.parametrize(
    ("version", "kinds"),
    [
        ("0.1.0", {"left": "unknown"}),
        ("0+source", {"left": "unknown"}),
        ("0.4.9", {"left": "unknown", "late": "expired"}),
        ("0.5.0", {"left": "unknown", "late": "expired", "built": "old"}),
        ("1.0.0", {"left": "unknown", "late": "expired", "built": "old"}),
    ],
)
def test_flags_that_should_be_gone_are_found(version: str, kinds: dict[str, str]) -> None:
    definitions = {
        "stays": replace(FLAG, name="stays"),
        "late": replace(FLAG, name="late", kind="development", until="0.4.0"),
        "built": replace(FLAG, name="built", kind="development"),
    }
    found = stale_flags(definitions, {"left", "stays"}, version=version)
    assert {each.flag: each.kind for each in found} == kinds
    assert [each.flag for each in found] == sorted(kinds)
    assert all(each.reason for each in found)


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
