"""The checks of what decides which model is used: what is assigned, and what may be named."""

from collections.abc import Iterable

from appliance.explanations.rules.granting import turn_on
from appliance.explanations.rules.values import Facts, Finding, Selection, failed, passed
from gateway.contract.codes import Code
from gateway.contract.selection import SWITCHING_FLAG

MAX_LISTED = 10
SETTINGS = "/api/v4/ai/feature_settings"


def check_feature_setting(facts: Facts) -> Finding:
    """Whether there is a model for the feature at all."""
    selection = facts.selection
    if selection is None:
        return passed(f"{facts.unit_primitive} belongs to no feature, so none is assigned to it.")
    title, held = _title(selection, facts), selection.held
    if selection.offer.is_disabled:
        sentence = f"{title} is disabled for the whole instance."
        return failed(Code.FEATURE_DISABLED, sentence, change=_assign(selection))
    if held.model is not None:
        return passed(f"{title} uses the model {held.model}, chosen by {_level(selection)}.")
    if held.selectable and selection.named is not None:
        return passed(f"Nothing is assigned to {title}, but a model is named.")
    return failed(
        Code.FEATURE_NOT_ASSIGNED, _why_nothing(selection, title), change=_assign(selection)
    )


def _why_nothing(selection: Selection, title: str) -> str:
    if selection.problem is not None:
        return f"No model is assigned to {title}: {selection.problem}"
    if not selection.offer.selectable:
        return (
            f"There is no model for {title}: none that suits it is registered and enabled, and "
            "the gateway serves none."
        )
    if selection.named is None:
        return f"No model is assigned to {title}, and none is named."
    return f"No model is assigned to {title}, and none may be named: {_why_closed(selection)}."


def check_selection(facts: Facts) -> Finding:
    """Whether the model that is named may be, for the feature and in the group."""
    selection = facts.selection
    if selection is None:
        return passed(f"{facts.unit_primitive} belongs to no feature, so any model may be named.")
    title, ref, held = _title(selection, facts), selection.named, selection.held
    if ref is None:
        return passed(f"No model is named, so {held.model} is meant.")
    if ref in held.selectable:
        return passed(f"The model {ref} may be named for {title} there.")
    why, change = _why_not(ref, selection)
    instead = _some(held.selectable)
    return failed(
        Code.MODEL_NOT_SELECTABLE,
        f"The model {ref} may not be named for {title}: {why}. {instead}",
        change=change,
    )


def _why_not(ref: str, selection: Selection) -> tuple[str, str]:
    feature, excluded_at = selection.feature, _excluded_at(ref, selection)
    if excluded_at is not None:
        path = next(each.full_path for each in selection.chain if each.id == excluded_at)
        where = f"--group {path}"
        if selection.held.locked_at == excluded_at:
            unlock = f"`casemate features lock {feature} --unlock {where}`"
            change = f"An owner of {path} can unlock it: {unlock}."
            return f"the group {path} has locked its choice", change
        change = (
            f"An owner of {path} can allow it: `casemate features assign {feature} --allow {ref} "
            f"{where}`, or PUT /api/v4/groups/{excluded_at}/ai_feature_settings/{feature}."
        )
        return f"the group {path} leaves only others", change
    if ref not in selection.offer.selectable:
        change = (
            f"`casemate features show {feature}` says what suits it; allow the model there with "
            f"`casemate features assign {feature} --allow {ref}`, or PUT {SETTINGS}/{feature}."
        )
        return "the instance does not offer it for that", change
    if selection.offer.is_locked:
        change = f"Unlock it: `casemate features lock {feature} --unlock`."
        return _why_closed(selection), change
    return _why_closed(selection), turn_on(SWITCHING_FLAG)


def _why_closed(selection: Selection) -> str:
    if selection.offer.is_locked:
        return "the instance has locked its choice"
    return f"the feature flag {SWITCHING_FLAG} is off for this user"


def _excluded_at(ref: str, selection: Selection) -> int | None:
    """The highest group that leaves no such model; None: the instance."""
    levels = (None, *(each.id for each in selection.chain))
    return next(
        level for end, level in enumerate(levels) if ref not in selection.held_at(end).selectable
    )


def _assign(selection: Selection) -> str:
    feature = selection.feature
    return (
        f"Assign a model: `casemate features assign {feature} --model REF`, or `default_model` "
        f"with PUT {SETTINGS}/{feature}."
    )


def _level(selection: Selection) -> str:
    chosen_at = selection.held.level
    found = (each.full_path for each in selection.chain if each.id == chosen_at)
    return next((f"the group {path}" for path in found), "the instance")


def _some(refs: Iterable[str]) -> str:
    ordered = sorted(refs)
    more = len(ordered) - MAX_LISTED
    listed = ", ".join(ordered[:MAX_LISTED])
    return f"To be named there: {listed}{f' and {more} more' if more > 0 else ''}."


def _title(selection: Selection, facts: Facts) -> str:
    return facts.catalog.features[selection.feature].title
