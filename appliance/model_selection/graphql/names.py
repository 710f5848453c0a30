"""What GraphQL's clients call features, providers, families and ids."""

from collections.abc import Iterable, Mapping
from enum import Enum, EnumType
from types import GenericAlias
from typing import NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

from appliance.fields.global_ids import global_id_scalar, parse_number_or_global_id
from gateway.contract.catalog import ReleaseState as CatalogState
from gateway.contract.catalog import load_catalog

SelfHostedModelID = NewType("SelfHostedModelID", int)
scalars: Mapping[object, ScalarDefinition] = {
    SelfHostedModelID: global_id_scalar("AiSelfHostedModelID", "Ai::SelfHostedModel")
}

_CATALOG = load_catalog()
# The one name that stands for two features.
CODE_SUGGESTION = "code_suggestion"
CODE_FEATURES = tuple(
    name for name, each in _CATALOG.features.items() if each.main_feature == "Code Suggestions"
)
# No group of the real system chooses a model for it.
INSTANCE_ONLY = "glab_ask_git_command"


def _enumeration(name: str, values: Iterable[str], description: str) -> type[Enum]:
    # By its class, since a type checker wants to be told members that only the catalogue names.
    members = {value.upper(): value for value in values}
    made = EnumType.__call__(Enum, name, members)
    return strawberry.enum(made, name=name, description=description)


AiFeatures = _enumeration(
    "AiFeatures",
    (*_CATALOG.features, CODE_SUGGESTION),
    "Product functions that a model is chosen for; CODE_SUGGESTION means both of code",
)
AiModelSelectionFeatures = _enumeration(
    "AiModelSelectionFeatures",
    (name for name in _CATALOG.features if name != INSTANCE_ONLY),
    "Product functions that a group chooses a model for",
)
AiAcceptedSelfHostedModels = _enumeration(
    "AiAcceptedSelfHostedModels",
    _CATALOG.model_families,
    "Families of models; each is asked in its own way",
)


@strawberry.enum(description="Who runs the model of a feature")
class AiFeatureProviders(Enum):
    """Who runs the model of a feature."""

    DISABLED = "disabled"
    SELF_HOSTED = "self_hosted"
    UNASSIGNED = "unassigned"
    VENDORED = "vendored"


@strawberry.enum(description="How far a model is from being finished")
class AiSelfHostedModelReleaseState(Enum):
    """How far a model is from being finished."""

    GA = "GA"
    BETA = "BETA"
    EXPERIMENTAL = "EXPERIMENT"


def listed(members: type[Enum]) -> GenericAlias:
    """The type of lists of an enumeration's members, which a type checker does not know."""
    return GenericAlias(list, (members,))


def features_of(named: Iterable[Enum]) -> tuple[str, ...]:
    """The catalogue's names of features, each once."""
    names = (
        name
        for each in named
        for name in (CODE_FEATURES if each.value == CODE_SUGGESTION else (each.value,))
    )
    return tuple(dict.fromkeys(names))


def release_state(state: CatalogState) -> AiSelfHostedModelReleaseState:
    """The state of a model; only there it is called EXPERIMENTAL."""
    return AiSelfHostedModelReleaseState(state)


def namespace_number(text: str) -> int:
    """The number of a group, which is named by that or by a global id of either kind.

    Raises:
        GlobalIdInvalidError: it is neither.
    """
    return parse_number_or_global_id(text, ("Group", "Namespace"))
