"""Models, settings and groups as values; a test states only what matters to it."""

from collections.abc import Mapping
from typing import Any

from appliance.model_selection.rules import FeatureSetting, Pool, SelectableModel
from appliance.model_selection.rules.places import Place
from appliance.model_selection.rules.pool import suits
from appliance.model_selection.rules.wishes import Known
from appliance.namespaces.rules import Namespace
from gateway.contract.catalog import load_catalog
from gateway.contract.selection import Choice, Feature
from tests.appliance.namespaces.builders import a_namespace
from tests.instance_builders import NOW

CHAT = "duo_chat"


def a_selectable_model(ref: str = "a", **changes: Any) -> SelectableModel:
    fields = {
        "ref": ref,
        "name": ref.title(),
        "kind": "self_hosted",
        "provider": "shm",
        "family": "general",
        "release_state": "GA",
        "features": suits("general", load_catalog()),
    }
    return SelectableModel(**{**fields, **changes})


def an_offered_model(ref: str = "cloud", **changes: Any) -> SelectableModel:
    fields = {"kind": "offered", "provider": "duo", "family": None, "features": frozenset({CHAT})}
    return a_selectable_model(ref, **{**fields, **changes})


def a_pool(*models: SelectableModel | str) -> Pool:
    """The models, or plain ones of these refs."""
    made = [a_selectable_model(each) if isinstance(each, str) else each for each in models]
    return Pool(models={each.ref: each for each in made})


def some_knowledge(*models: SelectableModel | str, **changes: Any) -> Known:
    return Known(**{"pool": a_pool(*models), "catalog": load_catalog(), **changes})


def a_setting(**changes: Any) -> FeatureSetting:
    fields = {
        "feature": CHAT,
        "provider": "self_hosted",
        "default_ref": "a",
        "allowed": None,
        "is_locked": False,
        "updated_at": NOW,
    }
    return FeatureSetting(**{**fields, **changes})


def a_chain(*paths: str) -> tuple[Namespace, ...]:
    """Groups below each other, with the ids 1, 2 and so on."""
    return tuple(
        a_namespace(id=number, root_id=1, full_path="/".join(paths[:number]))
        for number in range(1, len(paths) + 1)
    )


def a_place(
    *paths: str, offer: Feature, said: Mapping[int, Choice] | None = None, may_switch: bool = True
) -> Place:
    """The last of the groups; `said` has the choice of each that chose, by its number."""
    chain, chosen = a_chain(*paths), said or {}
    return Place(
        chain=chain,
        said={
            each.id: {offer.name: chosen[each.id]} if each.id in chosen else {} for each in chain
        },
        offers={offer.name: offer},
        may_switch=may_switch,
    )
