"""What a request means by the model that it names, or does not, and why it may not mean it."""

from collections.abc import Iterable
from itertools import islice

from gateway.contract.selection import DEFAULT_MODEL, SWITCHING_FLAG, Effective, Feature
from gateway.errors import FeatureDisabledError, FeatureNotAssignedError, ForbiddenError

# What stands for the model of the feature; a request without the member says the first.
DEFAULTS = ("", DEFAULT_MODEL)
MAX_LISTED = 10


def resolve(named: str, held: Effective | None) -> str | None:
    """The ref that is meant; None: there is nothing that could be.

    `held` None: nothing is known of the feature, and a name means itself alone.
    """
    if held is None:
        return named or None
    if not held.selectable:
        return None
    return held.model if named in DEFAULTS else named


def why_unresolved(offer: Feature, *, what: str, usable: Iterable[str]) -> ForbiddenError:
    """Why nothing resolved; `what` is the feature in a sentence, `usable` what may be named."""
    if offer.is_disabled:
        return FeatureDisabledError(
            message=f"{what} is disabled on this instance, so no model answers for it; an "
            "administrator can assign one to it again.",
            reason=f"the feature {offer.name!r} is disabled",
        )
    return FeatureNotAssignedError(
        message=f"No model is assigned to {what} on this instance; an administrator can assign "
        f"one.{may_name(usable)}",
        reason=f"nothing is assigned to the feature {offer.name!r}",
        param="model",
    )


def why_not_selectable(
    model: str, offer: Feature, held: Effective, *, excluded_at: int | None
) -> str:
    """Which level leaves no such model, and who can change that, in two sentences."""
    if excluded_at is not None:
        group = f"group {excluded_at}"
        is_lock = held.locked_at == excluded_at
        what = "has locked its choice" if is_lock else "leaves only others"
        return f"{group} {what}. An owner of {group} can change that."
    if model not in offer.selectable:
        what = "the instance does not offer it for that"
    elif offer.is_locked:
        what = "the instance has locked its choice"
    else:
        what = f"the feature flag {SWITCHING_FLAG!r} is off, so only the instance's choice counts"
    return f"{what}. An administrator can change that."


def may_name(usable: Iterable[str]) -> str:
    """The sentence that says what may be named instead; empty if nothing may."""
    first = list(islice(usable, MAX_LISTED + 1))
    if not first:
        return ""
    more = ", among others" if len(first) > MAX_LISTED else ""
    return f" You may name {', '.join(repr(each) for each in first[:MAX_LISTED])}{more}."
