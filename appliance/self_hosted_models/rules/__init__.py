"""What a self-hosted model is, what can be said of one, and what a check of it found."""

from appliance.self_hosted_models.rules.identifiers import served_identifier
from appliance.self_hosted_models.rules.origins import check_key_stays
from appliance.self_hosted_models.rules.probing import ProbeResult
from appliance.self_hosted_models.rules.registration import (
    DEFAULT_FAMILY,
    DEFAULT_PROVIDER,
    MAX_ALLOWED_NETWORKS,
    MOST_IN_FLIGHT,
    NO_LIMIT,
    Description,
    NewModel,
    Resolve,
    SelfHostedModel,
    ServedModel,
    allow_list,
    check_description,
    checked_endpoint,
    complete,
    told_endpoints,
    with_checked_endpoints,
)
from gateway.contract.definitions import REF

__all__ = [
    "DEFAULT_FAMILY",
    "DEFAULT_PROVIDER",
    "MAX_ALLOWED_NETWORKS",
    "MOST_IN_FLIGHT",
    "NO_LIMIT",
    "REF",
    "Description",
    "NewModel",
    "ProbeResult",
    "Resolve",
    "SelfHostedModel",
    "ServedModel",
    "allow_list",
    "check_description",
    "check_key_stays",
    "checked_endpoint",
    "complete",
    "served_identifier",
    "told_endpoints",
    "with_checked_endpoints",
]
