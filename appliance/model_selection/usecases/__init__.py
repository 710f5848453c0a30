"""What is done with the choice of models."""

from appliance.model_selection.usecases.choices import change_choices, list_choices, reset_choices
from appliance.model_selection.usecases.entitling import entitlement
from appliance.model_selection.usecases.features import (
    assign_everywhere,
    change_features,
    get_feature,
    list_features,
    reset_features,
)
from appliance.model_selection.usecases.mentions import release, rename, uses_of
from appliance.model_selection.usecases.naming import ModelNaming
from appliance.model_selection.usecases.offered import list_offered, sync_state, unlisted_refs
from appliance.model_selection.usecases.reading import (
    chain_of,
    choices_among,
    effective_in,
    is_restricted,
    offers,
    read_pool,
)
from appliance.model_selection.usecases.suspensions import watch
from appliance.model_selection.usecases.syncing import Fetch, ModelSync

__all__ = [
    "Fetch",
    "ModelNaming",
    "ModelSync",
    "assign_everywhere",
    "chain_of",
    "change_choices",
    "change_features",
    "choices_among",
    "effective_in",
    "entitlement",
    "get_feature",
    "is_restricted",
    "list_choices",
    "list_features",
    "list_offered",
    "offers",
    "read_pool",
    "release",
    "rename",
    "reset_choices",
    "reset_features",
    "sync_state",
    "unlisted_refs",
    "uses_of",
    "watch",
]
