"""What editors and agents get: how narrow their tokens are, and what is said of a connection."""

from collections.abc import Collection
from dataclasses import dataclass

from gateway.contract.claims import Realm

COMPLETE_CODE = "complete_code"
PROXY = "ai_gateway_model_provider_proxy"
# What a token for direct access opens at most, as at the real gateway.
EDITOR_SCOPES = frozenset({COMPLETE_CODE, PROXY})
AGENT_SCOPES = frozenset({PROXY})

PROMPT_CACHE = "X-Gitlab-Model-Prompt-Cache-Enabled"

# GitLab's names of what opens a feature, the widest first.
_ENABLEMENT_TYPES = {
    "duo_enterprise": "duo_enterprise",
    "duo_pro": "duo_pro",
    "duo_core": "duo_core",
    "amazonq_pro": "duo_amazon_q",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Who connects from where, in the words that an editor passes on."""

    instance_id: str
    instance_version: str
    realm: Realm
    global_user_id: str
    host_name: str
    feature_enablement_type: str
    saas_duo_pro_namespace_ids: tuple[int, ...]


def enablement_type(add_ons: Collection[str]) -> str:
    """Which of the add-ons that open code suggestions counts; "" when none does."""
    return next((told for name, told in _ENABLEMENT_TYPES.items() if name in add_ons), "")
