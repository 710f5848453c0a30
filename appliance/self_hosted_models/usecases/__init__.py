"""What an AI admin and the set-up do with self-hosted models, and what the feed reads of them."""

from appliance.self_hosted_models.usecases.naming import NO_NAMES, ModelNames, Uses
from appliance.self_hosted_models.usecases.probing import stored_model
from appliance.self_hosted_models.usecases.registration import (
    LocalModelResult,
    all_models,
    change_model,
    create_model,
    delete_model,
    ensure_local_model,
    find_model,
    get_model,
    list_models,
    resolve,
    served_models,
)

__all__ = [
    "NO_NAMES",
    "LocalModelResult",
    "ModelNames",
    "Uses",
    "all_models",
    "change_model",
    "create_model",
    "delete_model",
    "ensure_local_model",
    "find_model",
    "get_model",
    "list_models",
    "resolve",
    "served_models",
    "stored_model",
]
