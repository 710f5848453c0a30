"""What holds for a token's group, by example and against a plain model of the whole."""

from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.contract.claims import Claims
from gateway.contract.feed import FeedDocument, SwitchedOff
from gateway.contract.selection import NOTHING, SWITCHING_FLAG, Choice, Feature, Group
from gateway.errors import ConfigurationUnavailableError
from gateway.issuer.feed.feed import Feed, News, Told
from gateway.issuer.feed.groups import Groups
from gateway.issuer.feed.revocations import Revocations
from gateway.issuer.feed.state import Course
from gateway.issuer.identity import Identity
from gateway.issuer.pins import Pin
from gateway.issuer.snapshot import SnapshotStore
from gateway.policy import selections as module
from gateway.policy.selections import Selections
from tests.builders import INSTANCE_ID, ISSUER, a_feed_document, some_claims
from tests.selection_model import Offer, Wish, World, answer

ALL = frozenset({"a", "b", "c"})
CHAT = Feature(name="duo_chat", default="a", selectable=ALL)
OFF = SwitchedOff(flag=SWITCHING_FLAG)


def claims(ns: int | None = None, *, flags: tuple[str, ...] = (SWITCHING_FLAG,)) -> Claims:
    return msgspec.convert(some_claims(ns=ns, flags=list(flags)), Claims)


def selections(*groups: Group, features: tuple[Feature, ...] | None = (CHAT,)) -> Selections:
    made = Selections()
    made.replace(features, Groups(groups))
    return made


def chat(model: str, *, is_locked: bool = False, leaves: str | None = None) -> tuple[Choice, ...]:
    return (Choice("duo_chat", model, is_locked, None if leaves is None else frozenset(leaves)),)


TREE = (Group(1), Group(2, 1, chat("b", leaves="bc")), Group(3, 2, chat("c", is_locked=True)))


def model_for(held: Selections, ns: int | None) -> str | None:
    found = held.effective("duo_chat", claims(ns))
    return found.model if found else None


@pytest.mark.parametrize("features", [None, (), (Feature(name="refactor_code"),)])
def test_nothing_holds_for_a_feature_that_the_instance_is_silent_about(
    features: tuple[Feature, ...] | None,
) -> None:
    assert selections(*TREE, features=features).effective("duo_chat", claims(3)) is None
    assert Selections().effective("duo_chat", claims()) is None


def test_the_nearest_choice_above_the_token_counts() -> None:
    held = selections(*TREE, Group(4, 2))
    assert [model_for(held, ns) for ns in (None, 1, 2, 3, 4)] == ["a", "a", "b", "c", "b"]


def test_an_answer_is_the_same_the_second_time_and_another_after_a_change() -> None:
    groups = Groups(TREE)
    held = selections()
    held.replace((CHAT,), groups)
    assert held.effective("duo_chat", claims(2)) is held.effective("duo_chat", claims(2))
    groups.put([Group(2, 1, chat("c"))])
    held.replace((CHAT,), groups)
    assert model_for(held, 2) == "c"


def test_so_many_answers_are_remembered_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_REMEMBERED", 2)
    held = selections(*TREE)
    assert [model_for(held, ns) for ns in (1, 2, 3, 1)] == ["a", "b", "c", "a"]
    assert len(held._remembered) <= 2


def test_without_the_flag_the_instance_decides() -> None:
    held = selections(*TREE)
    found = held.effective("duo_chat", claims(2, flags=()))
    assert found is not None
    assert (found.model, found.selectable) == ("a", frozenset("a"))
    held.switch_off((SwitchedOff(flag="another"), OFF))
    assert model_for(held, 2) == "a"
    held.switch_off((SwitchedOff(flag="another"),))
    assert model_for(held, 2) == "b"


def test_a_group_that_is_not_known_yet_is_refused_while_others_choose() -> None:
    with pytest.raises(ConfigurationUnavailableError, match="not in the feed") as refused:
        selections(*TREE).effective("duo_chat", claims(9))
    assert "try again" in refused.value.message
    assert refused.value.status == 503


def test_a_group_that_is_not_known_yet_has_the_instances_where_nobody_chose() -> None:
    refactor = Feature(name="refactor_code", default="b", selectable=ALL)
    held = selections(*TREE, features=(CHAT, refactor)).effective("refactor_code", claims(9))
    assert held is not None
    assert held.model == "b"


def test_a_disabled_feature_is_so_in_every_group() -> None:
    disabled = msgspec.structs.replace(CHAT, is_disabled=True)
    assert selections(*TREE, features=(disabled,)).effective("duo_chat", claims(9)) is NOTHING


@pytest.mark.parametrize(
    "groups",
    [
        (Group(1, 2), Group(2, 1, chat("b"))),
        (Group(2, 2, chat("b")),),
        (Group(2, 7, chat("b")),),
    ],
    ids=["a circle", "above itself", "nothing above"],
)
def test_a_tree_that_is_none_is_refused(groups: tuple[Group, ...]) -> None:
    held = selections(*groups)
    with pytest.raises(ConfigurationUnavailableError):
        held.effective("duo_chat", claims(2))
    assert held.ancestry(2) == ()


def test_ancestry_is_from_the_top_to_the_group() -> None:
    held = selections(*TREE)
    assert (held.ancestry(3), held.ancestry(None), held.ancestry(9)) == ((1, 2, 3), (), ())


@pytest.mark.parametrize(
    ("model", "ns", "level"), [("z", 3, None), ("a", 2, 2), ("a", 3, 2), ("b", 3, 3)]
)
def test_the_level_that_excludes_a_model_is_the_highest(
    model: str, ns: int, level: int | None
) -> None:
    assert selections(*TREE).excluded_at(model, "duo_chat", claims(ns)) == level


def test_where_nobody_chose_the_instance_excludes() -> None:
    assert selections(Group(1)).excluded_at("z", "duo_chat", claims(9)) is None


FEATURES = ("duo_chat", "refactor_code")
refs = st.sampled_from("abcd")
some_refs = st.frozensets(refs)


@st.composite
def offers(draw: st.DrawFn) -> Offer:
    selectable = draw(some_refs)
    return Offer(
        default=draw(st.sampled_from([None, *sorted(selectable)])),
        selectable=selectable,
        is_disabled=draw(st.sampled_from([False, False, False, True])),
        is_locked=draw(st.sampled_from([False, False, False, True])),
    )


@st.composite
def wishes(draw: st.DrawFn) -> Wish:
    model, left = draw(refs), draw(st.none() | some_refs)
    return Wish(
        model=model,
        is_locked=draw(st.booleans()),
        narrowed_to=None if left is None else left | {model},
    )


class Play:
    """An instance that changes its mind, and the gateway that it tells so document by document."""

    def __init__(self, data: st.DataObject) -> None:
        self.draw = data.draw
        self.offers = {name: self.draw(offers()) for name in FEATURES}
        self.parents: dict[int, int | None] = {}
        self.wishes: dict[int, dict[str, Wish]] = {}
        self.is_off = False
        self.sequence = 0
        self.course = Course("jti")
        self.selections = Selections()
        identity = Identity(
            gateway_id="gateway",
            signing=Ed25519PrivateKey.generate(),
            sealing=X25519PrivateKey.generate(),
        )
        self.feed = Feed(
            identity=identity,
            pin=Pin(instance_id=INSTANCE_ID, feed_key="", issuer=ISSUER, instance_url=ISSUER),
            store=SnapshotStore(Path("/nowhere"), identity),
            revocations=Revocations(),
            clock=lambda: 0.0,
            on_news=self.hear,
        )

    def hear(self, news: News) -> None:
        if news.switched_off is not None:
            self.selections.switch_off(news.switched_off)
        if news.selections is not None:
            self.selections.replace(news.selections.features, news.selections.groups)

    def tell(self, **parts: object) -> None:
        """A document of everything without `since`, and of what it says with it."""
        self.sequence += 1
        fields = {"sequence": self.sequence, "stream": "jti", "clock_ms": self.sequence, **parts}
        document = a_feed_document("gateway", **fields)
        # As it comes over the wire.
        document = msgspec.json.decode(msgspec.json.encode(document), type=FeedDocument)
        groups = Groups(document.groups) if document.since is None else None
        self.feed.take(Told(document=document, groups=groups), course=self.course)

    def tell_everything(self) -> None:
        off = (OFF,) if self.is_off else ()
        groups = tuple(self.group(each) for each in self.parents)
        self.tell(features=self.features(), groups=groups, switched_off=off)

    def features(self) -> tuple[Feature, ...]:
        return tuple(
            Feature(
                name=name,
                default=each.default,
                selectable=each.selectable,
                is_disabled=each.is_disabled,
                is_locked=each.is_locked,
            )
            for name, each in self.offers.items()
        )

    def group(self, group_id: int) -> Group:
        chosen = self.wishes[group_id].items()
        choices = (
            Choice(name, each.model, each.is_locked, each.narrowed_to) for name, each in chosen
        )
        return Group(group_id, self.parents[group_id], tuple(choices))

    def add(self) -> int:
        group_id = max(self.parents, default=0) + 1
        self.parents[group_id] = self.draw(st.sampled_from([None, *self.parents]))
        self.choose(group_id)
        return group_id

    def choose(self, group_id: int) -> None:
        self.wishes[group_id] = self.draw(st.dictionaries(st.sampled_from(FEATURES), wishes()))

    def move(self, group_id: int) -> None:
        outside = [each for each in self.parents if group_id not in self.line_of(each)]
        self.parents[group_id] = self.draw(st.sampled_from([None, *outside]))

    def line_of(self, group_id: int) -> list[int]:
        above = self.parents[group_id]
        return [group_id, *([] if above is None else self.line_of(above))]

    def change(self) -> None:
        """One change of anything, told in one document."""
        since = self.sequence
        what = self.draw(st.sampled_from(["add", "choose", "move", "remove", "offer", "switch"]))
        if what == "switch":
            self.is_off = not self.is_off
            self.tell(since=since, switched_off=(OFF,) if self.is_off else ())
        elif what == "offer":
            self.offers[self.draw(st.sampled_from(FEATURES))] = self.draw(offers())
            self.tell(since=since, features=self.features())
        elif what == "add" or not self.parents:
            self.tell(since=since, groups=(self.group(self.add()),))
        else:
            self.change_group(what, self.draw(st.sampled_from(sorted(self.parents))))

    def change_group(self, what: str, group_id: int) -> None:
        since = self.sequence
        if what == "remove":
            gone = [each for each in self.parents if group_id in self.line_of(each)]
            for each in gone:
                del self.parents[each], self.wishes[each]
            self.tell(since=since, removed_groups=tuple(gone))
            return
        if what == "choose":
            self.choose(group_id)
        else:
            self.move(group_id)
        self.tell(since=since, groups=(self.group(group_id),))

    def check(self) -> None:
        """Every level, for every feature, with the flag and without."""
        for name in FEATURES:
            mine = {each: chosen[name] for each, chosen in self.wishes.items() if name in chosen}
            world = World(offer=self.offers[name], parents=self.parents, wishes=mine)
            for group_id in (None, *self.parents):
                for flags in ((), (SWITCHING_FLAG,)):
                    may_switch = bool(flags) and not self.is_off
                    expected = answer(world, group_id, may_switch=may_switch)
                    found = self.selections.effective(name, claims(group_id, flags=flags))
                    assert found is not None
                    assert expected == (found.model, found.selectable, found.level, found.is_locked)


# A machine that is busy with something else must not fail it.
@settings(deadline=None)
@given(st.data())
def test_the_gateway_answers_as_the_plain_model_does(data: st.DataObject) -> None:
    play = Play(data)
    for _ in range(data.draw(st.integers(0, 6))):
        play.add()
    play.tell_everything()
    play.check()
    for _ in range(data.draw(st.integers(0, 6))):
        play.change()
        play.check()
    if data.draw(st.booleans()):
        play.tell_everything()
        play.check()
