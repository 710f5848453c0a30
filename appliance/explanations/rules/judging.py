"""Puts the checks in the order in which a request meets them, and finds the one that decides."""

from appliance.ai_actions.rules import NO_GROUP, code_of_check
from appliance.errors import InvalidFieldsError
from appliance.explanations.rules.granting import GRANTING
from appliance.explanations.rules.modelling import MODELLING
from appliance.explanations.rules.values import (
    Check,
    Explanation,
    Facts,
    Finding,
    Question,
    Verdict,
    not_reached,
)
from gateway.contract.catalog import Catalog
from gateway.contract.peers import parse_peer

CHECKS = (*GRANTING, *MODELLING)
CHECK_NAMES = tuple(name for name, _ in CHECKS)
MAX_REF_CHARS = 255
NOT_LOOKED_AT = "Not looked at: a check before it decides."


def explain(facts: Facts) -> Explanation:
    """The checks in order; the first that fails or cannot be made decides."""
    deciding: Finding | None = None
    ai_action_code: str | None = None
    checks = []
    for name, check in CHECKS:
        finding = check(facts) if deciding is None else not_reached(NOT_LOOKED_AT)
        if finding.state in {"failed", "unknown"}:
            deciding = finding
            ai_action_code = _shown_code(name, finding, facts)
        checks.append(_shown(name, finding, facts))
    verdict: Verdict = "permitted"
    if deciding is not None:
        verdict = "refused" if deciding.state == "failed" else "unknown"
    return Explanation(
        verdict=verdict,
        code=deciding.code if deciding else None,
        unit_primitive=facts.unit_primitive,
        checks=checks,
        model=None if facts.model is None else facts.model.ref,
        ai_action_code=ai_action_code,
    )


def _shown_code(check: str, finding: Finding, facts: Facts) -> str | None:
    if finding.code is None:
        return None
    if check == "licence" and facts.is_saas and facts.namespace is None:
        return NO_GROUP
    return code_of_check(check, finding.code, facts.unit_primitive)


def _shown(name: str, finding: Finding, facts: Facts) -> Check:
    change = finding.change
    if change is not None and facts.is_for_self:
        change = f"Ask an admin. {change}"
    return Check(name=name, state=finding.state, sentence=finding.sentence, change=change)


def asked_unit_primitive(question: Question, catalog: Catalog) -> str:
    """The unit primitive that a question is about.

    Raises:
        InvalidFieldsError: it names none or both, one that there is not, or no possible model or
            address.
    """
    if question.address is not None and parse_peer(question.address) is None:
        raise InvalidFieldsError({"address": "must be an IPv4 or IPv6 address"})
    ref = question.model
    if ref is not None and not (0 < len(ref) <= MAX_REF_CHARS and ref.isprintable()):
        raise InvalidFieldsError({"model": f"must be 1 to {MAX_REF_CHARS} printable characters"})
    if question.project_id is not None and question.namespace_id is not None:
        raise InvalidFieldsError({"project_id": "says the group already; give it alone"})
    if (question.unit_primitive is None) == (question.feature is None):
        sentence = "name exactly one of feature and unit_primitive"
        raise InvalidFieldsError({"feature": sentence})
    if question.unit_primitive is not None:
        if question.unit_primitive not in catalog.unit_primitives:
            raise InvalidFieldsError({"unit_primitive": "is not in the catalogue"})
        return question.unit_primitive
    feature = catalog.features.get(question.feature or "")
    if feature is None:
        raise InvalidFieldsError({"feature": "is not in the catalogue"})
    if not feature.unit_primitives:
        raise InvalidFieldsError({"feature": "has no unit primitive, so nothing is asked for it"})
    return feature.unit_primitives[0]
