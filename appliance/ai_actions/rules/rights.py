"""Which code a user sees for a right that is missing, whoever finds that out."""

from collections.abc import Mapping

from appliance.ai_actions.rules.catalogue import CHAT
from gateway.contract.codes import Code

SWITCHED_OFF = "M3002"
NOT_THERE = "M3003"
NO_GROUP = "G3002"
NO_MODEL = "A1001"

_CHAT = frozenset({CHAT, "duo_classic_chat"})
# What a check of an explanation decides; of the rest it depends on what is asked for.
_OF_CHECKS: Mapping[str, str] = {
    "namespace": NOT_THERE,
    "global_switch": SWITCHED_OFF,
    "feature_flag": SWITCHED_OFF,
    "project": SWITCHED_OFF,
    "model": NO_MODEL,
    "model_state": NO_MODEL,
}
_UNOWNED_CHECKS = frozenset({"licence", "entitlement"})
_OF_REFUSALS: Mapping[str, str] = {
    Code.INVALID_TOKEN: NOT_THERE,
    Code.TOKEN_SUPERSEDED: NOT_THERE,
    Code.NAMESPACE_NOT_GRANTED: NOT_THERE,
    Code.FEATURE_DISABLED: SWITCHED_OFF,
    Code.FEATURE_NOT_ASSIGNED: NO_MODEL,
    Code.MODEL_NOT_SELECTABLE: NO_MODEL,
    Code.MODEL_NOT_FOUND: NO_MODEL,
    Code.ISSUER_NOT_PERMITTED: NO_MODEL,
    Code.INSTANCE_ONLY: NO_MODEL,
}


def code_of_missing_right(unit_primitive: str, *, is_owned: bool) -> str:
    """The code for who may not use it; `is_owned`: others here may."""
    if unit_primitive in _CHAT:
        return "M3004" if is_owned else "M3006"
    return "M3005" if is_owned else "G3001"


def code_of_refusal(refusal: str, unit_primitive: str) -> str:
    """The code for what a gateway refuses with, in its own words."""
    known = _OF_REFUSALS.get(refusal)
    is_owned = refusal != Code.PROVIDER_NOT_ENTITLED
    return known or code_of_missing_right(unit_primitive, is_owned=is_owned)


def code_of_check(check: str, refusal: str, unit_primitive: str) -> str:
    """The code for what a check of an explanation refuses with."""
    if check in {"feature_setting", "selection"}:
        return code_of_refusal(refusal, unit_primitive)
    is_owned = check not in _UNOWNED_CHECKS
    known = _OF_CHECKS.get(check)
    return known or code_of_missing_right(unit_primitive, is_owned=is_owned)
