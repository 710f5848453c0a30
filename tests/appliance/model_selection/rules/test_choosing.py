import pytest

from appliance.errors import InvalidFieldsError
from appliance.model_selection.errors import FeatureDisabledError, LockedAboveError
from appliance.model_selection.rules import ChoiceChange
from appliance.model_selection.rules.choosing import MAX_OFFERED, choices_of
from gateway.contract.selection import Choice, Feature
from tests.appliance.model_selection.rules.builders import CHAT, a_place, some_knowledge

OFFER = Feature(name=CHAT, default="a", selectable=frozenset("ab"))
KNOWN = some_knowledge("a", "b", "c")


def test_a_wish_is_one_choice_a_feature() -> None:
    change = ChoiceChange(
        features=(CHAT, CHAT), model_ref="a", narrowed_to=("b", "a"), is_locked=True
    )
    [choice] = choices_of(change, a_place("lab", offer=OFFER), KNOWN)
    assert choice == Choice(CHAT, "a", is_locked=True, narrowed_to=frozenset("ab"))


def test_a_model_that_is_not_left_names_the_level_and_what_is() -> None:
    said = {1: Choice(CHAT, "a", narrowed_to=frozenset("a"))}
    place = a_place("lab", "ai", offer=OFFER, said=said)
    with pytest.raises(InvalidFieldsError) as refused:
        choices_of(ChoiceChange(features=(CHAT,), model_ref="b"), place, KNOWN)
    assert refused.value.fields["model"] == (
        "b is not among what the group lab allows for duo_chat; there is to choose from: a"
    )


@pytest.mark.parametrize(
    ("count", "said"), [(0, "from: nothing"), (10, "m-8, m-9"), (12, "m-7 and 2 more")]
)
def test_what_there_is_to_choose_from_stays_readable(count: int, said: str) -> None:
    assert MAX_OFFERED == 10
    offer = Feature(name=CHAT, selectable=frozenset(f"m-{each}" for each in range(count)))
    with pytest.raises(InvalidFieldsError, match=said):
        choices_of(
            ChoiceChange(features=(CHAT,), model_ref="c"), a_place("lab", offer=offer), KNOWN
        )


def test_where_nothing_is_left_to_choose_nothing_is_chosen() -> None:
    change = ChoiceChange(features=(CHAT,), model_ref="a")
    with pytest.raises(FeatureDisabledError):
        choices_of(change, a_place("lab", offer=Feature(name=CHAT, is_disabled=True)), KNOWN)
    said = {1: Choice(CHAT, "a", is_locked=True)}
    with pytest.raises(LockedAboveError, match="the group lab"):
        choices_of(change, a_place("lab", "ai", offer=OFFER, said=said), KNOWN)


def test_a_wish_that_makes_no_sense_is_refused() -> None:
    place = a_place("lab", offer=OFFER)
    with pytest.raises(InvalidFieldsError, match="model: is required"):
        choices_of(ChoiceChange(features=(CHAT,), model_ref=""), place, KNOWN)
    change = ChoiceChange(features=(CHAT,), model_ref="a", narrowed_to=("b",))
    with pytest.raises(InvalidFieldsError, match="allowed_models: must have"):
        choices_of(change, place, KNOWN)
    change = ChoiceChange(features=(CHAT,), model_ref="a", narrowed_to=("a", "c", "zz"))
    with pytest.raises(
        InvalidFieldsError, match=r"no model 'zz'.*c is not among what the instance"
    ):
        choices_of(change, place, KNOWN)
