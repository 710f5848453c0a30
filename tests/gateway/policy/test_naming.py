import pytest

from gateway.contract.selection import NOTHING, Effective, Feature
from gateway.errors import FeatureDisabledError, FeatureNotAssignedError
from gateway.policy.naming import may_name, resolve, why_not_selectable, why_unresolved

CHAT = Feature(name="duo_chat", default="a", selectable=frozenset("ab"))
HELD = Effective(model="a", selectable=frozenset("ab"))


@pytest.mark.parametrize(
    ("named", "held", "ref"),
    [
        ("", HELD, "a"),
        ("default", HELD, "a"),
        ("b", HELD, "b"),
        ("Default", HELD, "Default"),
        ("", Effective(model=None, selectable=frozenset("b")), None),
        ("b", Effective(model=None, selectable=frozenset("b")), "b"),
        ("b", NOTHING, None),
        ("b", None, "b"),
        ("default", None, "default"),
        ("", None, None),
    ],
)
def test_a_name_means_itself_and_none_means_the_features_model(
    named: str, held: Effective | None, ref: str | None
) -> None:
    assert resolve(named, held) == ref


def test_a_disabled_feature_is_said_to_be() -> None:
    off = Feature(name="duo_chat", is_disabled=True)
    why = why_unresolved(off, what="Chat ('duo_chat')", usable=())
    assert isinstance(why, FeatureDisabledError)
    assert why.message.startswith("Chat ('duo_chat') is disabled on this instance")
    assert "administrator" in why.message


def test_what_is_not_assigned_is_said_with_what_may_be_named() -> None:
    why = why_unresolved(CHAT, what="Chat ('duo_chat')", usable=["a", "b"])
    assert isinstance(why, FeatureNotAssignedError)
    assert "No model is assigned to Chat ('duo_chat') on this instance" in why.message
    assert why.message.endswith("You may name 'a', 'b'.")


@pytest.mark.parametrize(
    ("model", "offer", "held", "excluded_at", "sentence"),
    [
        ("z", CHAT, HELD, None, "the instance does not offer it for that. An administrator can"),
        ("b", Feature(name="duo_chat", default="a", selectable=frozenset("ab"), is_locked=True),
         HELD, None, "the instance has locked its choice. An administrator can"),
        ("b", CHAT, HELD, None, "the feature flag 'ai_model_switching' is off, so only"),
        ("b", CHAT, HELD, 7, "group 7 leaves only others. An owner of group 7 can change that."),
        ("b", CHAT, Effective(model="a", selectable=frozenset("a"), is_locked=True, locked_at=7),
         7, "group 7 has locked its choice. An owner of group 7 can change that."),
    ],
)  # fmt: skip
def test_the_level_that_decides_is_named_with_who_can_change_it(
    model: str, offer: Feature, held: Effective, excluded_at: int | None, sentence: str
) -> None:
    assert why_not_selectable(model, offer, held, excluded_at=excluded_at).startswith(sentence)


def test_ten_are_listed_and_that_there_are_more() -> None:
    ten = [f"model-{number}" for number in range(10)]
    assert may_name([]) == ""
    assert may_name(ten).endswith("'model-9'.")
    assert may_name([*ten, "model-10"]).endswith("'model-9', among others.")
