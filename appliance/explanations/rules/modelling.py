"""The checks of the model that is asked for: there, entitled, open to the address, well."""

from collections.abc import Callable

from appliance.explanations.rules.granting import ADD_LICENCE, any_of, is_owned, why_not_owned
from appliance.explanations.rules.selecting import check_feature_setting, check_selection
from appliance.explanations.rules.values import Facts, Finding, failed, not_reached, passed
from appliance.model_selection.rules import SelectableModel
from appliance.self_hosted_models.rules import SelfHostedModel
from gateway.contract.codes import Code
from gateway.contract.peers import is_let_in, parse_network

NO_MODEL = "No model is named."


def check_model(facts: Facts) -> Finding:
    """Whether there is such a model, at the instance or at its gateway."""
    asked = facts.model
    if asked is None:
        return not_reached(NO_MODEL)
    if asked.registered is not None:
        return _check_registered(asked.ref, asked.registered)
    if asked.offered is not None:
        return _check_offered(asked.ref, asked.offered)
    return failed(
        Code.MODEL_NOT_FOUND,
        f"There is no model {asked.ref}; case and separators count.",
        change="See what there is with `casemate models list`, or register it: `casemate models "
        "add`, or POST /api/v4/ai/self_hosted_models.",
    )


def _check_registered(ref: str, model: SelfHostedModel) -> Finding:
    if model.is_enabled:
        return passed(f"The model {ref} is registered.")
    return failed(
        Code.MODEL_NOT_FOUND,
        f"The model {ref} is disabled, so no gateway serves it.",
        change=f"Enable it: `casemate models change {ref} --enable`, or `enabled` with "
        f"PUT /api/v4/ai/self_hosted_models/{model.id}.",
    )


def _check_offered(ref: str, model: SelectableModel) -> Finding:
    if model.why_unusable is None:
        return passed(f"The gateway brings the model {ref}.")
    return failed(
        Code.MODEL_NOT_FOUND,
        f"The gateway does not serve the model {ref}. {model.why_unusable}",
        change="Bind it to an endpoint in the upstreams file of the gateway, then `casemate models "
        "sync`; or name another model.",
    )


def check_entitlement(facts: Facts) -> Finding:
    """Whether the organisation owns the right to who runs the model; no seat is asked for."""
    provider = None if facts.model is None else facts.model.provider
    if provider is None:
        return not_reached(NO_MODEL)
    if provider in facts.grant.providers:
        return passed(f"The organisation is entitled to the provider {provider}, which runs it.")
    add_ons = facts.catalog.add_ons
    names = [name for name, add_on in add_ons.items() if provider in add_on.entitles]
    held = [each for each in facts.holdings if each.purchase.add_on in names]
    reasons = [why_not_owned(each, facts) for each in held if not is_owned(each, facts)]
    return failed(
        Code.PROVIDER_NOT_ENTITLED,
        " ".join([f"The organisation is not entitled to the provider {provider}.", *reasons]),
        change=f"Add a licence for {any_of(names, facts)}: {ADD_LICENCE}."
        if names
        else "No add-on of this release entitles to it; ask for another model.",
    )


def check_state(facts: Facts) -> Finding:
    """Whether a gateway reaches the model."""
    asked = facts.model
    if asked is None:
        return not_reached(NO_MODEL)
    if asked.state == "ready":
        return passed(f"A gateway reaches the model {asked.ref}.")
    change = f"`casemate models check {asked.ref}` names what fails."
    if asked.state == "unreachable":
        sentence = f"The gateway does not reach the model {asked.ref}."
        return failed(Code.MODEL_UNAVAILABLE, sentence, change=change)
    sentence = f"No gateway has said lately whether it reaches the model {asked.ref}."
    return Finding(state="unknown", sentence=sentence, change=change)


def check_allow_list(facts: Facts) -> Finding:
    """Whether the caller's address may use the model."""
    if facts.model is None:
        return not_reached(NO_MODEL)
    if facts.model.registered is None:
        return passed(f"No allow-list is kept for the model {facts.model.ref}; every address may.")
    ref, model, address = facts.model.ref, facts.model.registered, facts.address
    if not model.allowed_networks:
        return passed(f"No allow-list is kept for the model {ref}; every address may.")
    if address is None:
        sentence = f"Only the networks of its allow-list may use the model {ref}."
        change = "Name the address to know: `casemate explain --address`, or `address` here."
        return Finding(state="unknown", sentence=sentence, change=change)
    if is_let_in(address, [parse_network(text) for text in model.allowed_networks]):
        return passed(f"The allow-list of the model {ref} lets {address} in.")
    return failed(
        Code.ADDRESS_NOT_ALLOWED,
        f"The allow-list of the model {ref} does not let {address} in.",
        change=f"Add its network: `casemate models change {ref} --allow CIDR`, or `allowed_cidrs` "
        f"with PUT /api/v4/ai/self_hosted_models/{model.id}; if a proxy has that address, name it "
        "in CASEMATE_TRUSTED_PROXIES of the gateway.",
    )


# The gateway's order: what may be used, by whom and from where, before it tries to reach it.
MODELLING: tuple[tuple[str, Callable[[Facts], Finding]], ...] = (
    ("feature_setting", check_feature_setting),
    ("model", check_model),
    ("selection", check_selection),
    ("entitlement", check_entitlement),
    ("allow_list", check_allow_list),
    ("model_state", check_state),
)
