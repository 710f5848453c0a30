"""The checks of the model that is asked for: registered, entitled, well, open to the address."""

from collections.abc import Callable

from appliance.explanations.rules.granting import ADD_LICENCE, any_of, is_owned, why_not_owned
from appliance.explanations.rules.values import Facts, Finding, failed, not_reached, passed
from gateway.contract.codes import Code

NO_MODEL = "No model is named."


def check_model(facts: Facts) -> Finding:
    """Whether there is such a model."""
    asked = facts.model
    if asked is None:
        return not_reached(NO_MODEL)
    if asked.registered is not None:
        return passed(f"The model {asked.ref} is registered.")
    return failed(
        Code.MODEL_NOT_FOUND,
        f"There is no model {asked.ref}; case and separators count.",
        change="See what there is with `casemate models list`, or register it: `casemate models "
        "add`, or POST /api/v4/ai/self_hosted_models.",
    )


def check_entitlement(facts: Facts) -> Finding:
    """Whether the organisation owns the right to who runs the model; no seat is asked for."""
    if facts.model is None or facts.model.registered is None:
        return not_reached(NO_MODEL)
    provider = facts.model.registered.provider
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
    return passed(f"No allow-list is kept for the model {facts.model.ref}; every address may.")


# The gateway's order: it asks who runs a model before it tries to reach it.
MODELLING: tuple[tuple[str, Callable[[Facts], Finding]], ...] = (
    ("model", check_model),
    ("entitlement", check_entitlement),
    ("model_state", check_state),
    ("allow_list", check_allow_list),
)
