import pytest

from appliance.model_selection import usecases
from appliance.self_hosted_models.errors import ModelInUseError, RefTakenError
from appliance.self_hosted_models.rules import Description, SelfHostedModel
from appliance.self_hosted_models.usecases import (
    all_models,
    change_model,
    create_model,
    delete_model,
    ensure_local_model,
)
from tests.appliance.model_selection.conftest import CHAT, CODE, Lab
from tests.instance_builders import NOW


def the_model(lab: Lab, ref: str) -> SelfHostedModel:
    return next(model for model in lab.do(all_models) if model.ref == ref)


def refs(lab: Lab) -> list[str]:
    return [model.ref for model in lab.do(all_models)]


def delete(lab: Lab, ref: str, *, reroute: bool = False) -> None:
    naming = usecases.ModelNaming(lab.catalog)
    lab.do(
        delete_model,
        the_model(lab, ref).id,
        reroute=reroute,
        names=naming,
        actor=lab.admin.actor,
        now=NOW,
    )


def change(lab: Lab, named: str, said: Description) -> None:
    lab.do(
        change_model,
        the_model(lab, named).id,
        said,
        sealer=lab.sealer,
        names=usecases.ModelNaming(lab.catalog),
        actor=lab.admin.actor,
        now=NOW,
    )


def test_a_model_that_nothing_names_is_deleted(lab: Lab) -> None:
    delete(lab, "a")
    assert refs(lab) == ["b", "c"]


def test_a_model_in_use_is_not_deleted_and_the_users_are_named(lab: Lab) -> None:
    lab.set(CHAT, CODE, default_ref="a")
    lab.choose(lab.group("one"), "a")
    lab.choose(lab.group("two"), "b", narrowed_to=("a", "b"))
    with pytest.raises(ModelInUseError) as refusal:
        delete(lab, "a")
    assert (set(refusal.value.features), refusal.value.groups) == ({CHAT, CODE}, 2)
    assert str(refusal.value).startswith(
        "The model a is used by the instance for code_completions, duo_chat and by 2 groups. "
    )
    assert "reroute=true" in str(refusal.value)
    assert refs(lab) == ["a", "b", "c"]


def test_a_model_of_one_group_is_told_so(lab: Lab) -> None:
    lab.choose(lab.group("one"), "a")
    with pytest.raises(ModelInUseError, match=r"is used by 1 group\. "):
        delete(lab, "a")


def test_a_reroute_falls_back_to_what_the_gateway_offers(lab: Lab) -> None:
    lab.offer("big", CHAT, default_for=[CHAT])
    lab.set(CHAT, default_ref="a")
    group = lab.group("one")
    lab.choose(group, "a")
    delete(lab, "a", reroute=True)
    assert refs(lab) == ["b", "c"]
    assert lab.feature().setting is None
    assert (lab.effective(None).model, lab.effective(group).model) == ("big", "big")
    assert lab.view(group).choice is None
    (entry,) = lab.entries("model_deleted")
    assert entry["ref"] == "a"
    assert lab.entries("feature_setting_reset")
    assert lab.entries("model_choice_reset")


def test_a_choice_below_that_ends_by_a_reroute_is_told(lab: Lab) -> None:
    lab.set(CHAT, default_ref="a", allowed=("a", "b"))
    top = lab.group("top")
    lab.choose(top, "a")
    lab.choose(lab.group("below", parent=top), "b")
    delete(lab, "a", reroute=True)
    assert lab.feature().setting is None
    assert not lab.entries("model_choice_suspended")


def test_a_new_ref_is_followed_by_all_that_name_the_model(lab: Lab) -> None:
    lab.set(CHAT, default_ref="a", allowed=("a", "b"))
    group = lab.group("one")
    lab.choose(group, "a")
    change(lab, "a", Description(ref="new"))
    assert lab.effective(None).model == "new"
    assert lab.effective(group).model == "new"
    assert not lab.entries("model_choice_suspended", "model_choice_restored")


def test_a_model_that_is_switched_off_suspends_what_names_it(lab: Lab) -> None:
    group = lab.group("one")
    lab.choose(group, "a")
    change(lab, "a", Description(ref="new", is_enabled=False))
    (lost,) = lab.entries("model_choice_suspended")
    assert (lost["cause"], lost["choices"]) == (
        "model_disabled",
        [{"namespace_id": group.id, "model": "new"}],
    )
    change(lab, "new", Description(is_enabled=True))
    (found,) = lab.entries("model_choice_restored")
    assert found["cause"] == "model_enabled"
    assert lab.effective(group).model == "new"


def test_a_model_of_another_family_may_suit_less(lab: Lab) -> None:
    group = lab.group("one")
    lab.choose(group, "a")
    change(lab, "a", Description(family="codellama"))
    (lost,) = lab.entries("model_choice_suspended")
    assert (lost["cause"], lost["feature"]) == ("model_changed", CHAT)


@pytest.mark.parametrize("ref", ["big", "BIG"])
def test_the_ref_of_an_offered_model_is_taken(lab: Lab, ref: str) -> None:
    lab.offer("big", CHAT)
    with pytest.raises(RefTakenError):
        change(lab, "a", Description(ref=ref))
    said = Description(ref=ref, name="Big", endpoint="http://127.0.0.1:1/v1", identifier="big")
    naming = usecases.ModelNaming(lab.catalog)
    with pytest.raises(RefTakenError):
        lab.do(create_model, said, sealer=lab.sealer, names=naming, actor=lab.admin.actor, now=NOW)


def test_the_local_model_s_new_ref_is_followed(lab: Lab) -> None:
    naming = usecases.ModelNaming(lab.catalog)
    for ref in ("local", "renamed"):
        said = Description(ref=ref, name="L", endpoint="http://127.0.0.1:1/v1", identifier="l")
        lab.do(ensure_local_model, said, sealer=lab.sealer, names=naming, now=NOW)
        if ref == "local":
            lab.set(CHAT, default_ref="local")
    assert lab.effective(None).model == "renamed"
