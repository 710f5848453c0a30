from hypothesis import given
from hypothesis import strategies as st

from appliance.model_selection.rules.counting import (
    Said,
    counting,
    decides_alike,
    difference,
    with_new_refs,
)
from gateway.contract.selection import Choice, Feature, effective
from tests.appliance.model_selection.rules.builders import CHAT

OFFER = Feature(name=CHAT, default="a", selectable=frozenset("abc"))
refs = st.sampled_from("abcd")
choices = st.builds(
    Choice,
    st.just(CHAT),
    refs,
    st.booleans(),
    st.none() | st.frozensets(refs, min_size=1),
)
features = st.builds(
    Feature,
    name=st.just(CHAT),
    default=st.none() | refs,
    selectable=st.frozensets(refs),
    is_disabled=st.booleans(),
    is_locked=st.booleans(),
)


@st.composite
def trees(draw: st.DrawFn) -> dict[tuple[int, ...], Choice]:
    """The choices in a tree, each by the ids from the root's down to its group's own."""
    chains: list[tuple[int, ...]] = []
    said = {}
    for number in range(1, draw(st.integers(1, 12)) + 1):
        chains.append((*draw(st.sampled_from([(), *chains])), number))
        if draw(st.booleans()):
            said[chains[-1]] = draw(choices)
    return said


def _said(tree: dict[tuple[int, ...], Choice]) -> list[Said]:
    own = {chain[-1] for chain in tree}
    return [
        Said(chain[-1], next((each for each in chain[-2::-1] if each in own), None), tree[chain])
        for chain in sorted(tree, key=len)
    ]


@given(features, trees())
def test_all_at_once_is_as_one_after_the_other(
    feature: Feature, tree: dict[tuple[int, ...], Choice]
) -> None:
    by_group = {chain[-1]: choice for chain, choice in tree.items()}
    one_by_one = {
        chain[-1]: choice.model
        for chain, choice in tree.items()
        if effective(feature, ((each, by_group.get(each)) for each in chain), may_switch=True).level
        == chain[-1]
    }
    assert counting(feature, _said(tree)) == one_by_one


def test_only_choices_that_are_as_they_were_are_told() -> None:
    before, after = {1: "a", 2: "b", 3: "c"}, {2: "b", 4: "d", 5: "e"}
    stored = ({1: "a", 2: "b", 3: "c", 4: "d"}, {1: "a", 2: "b", 4: "d", 5: "e"})
    assert difference(before, after, stored=stored) == ({1: "a"}, {4: "d"})


def test_another_default_decides_alike() -> None:
    other = Feature(name=CHAT, default="b", selectable=frozenset("abc"))
    assert decides_alike(OFFER, other)
    assert not decides_alike(OFFER, Feature(name=CHAT, default="a", selectable=frozenset("ab")))


def test_what_was_said_is_read_in_the_refs_of_now() -> None:
    renamed = with_new_refs(OFFER, {"a": "x"})
    assert (renamed.default, renamed.selectable) == ("x", frozenset("xbc"))
    assert with_new_refs(Feature(name=CHAT, is_locked=True), {"a": "x"}).is_locked
