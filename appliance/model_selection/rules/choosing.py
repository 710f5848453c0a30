"""Whether what an owner wishes for a group is there to choose."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from appliance.errors import InvalidFieldsError
from appliance.model_selection.errors import FeatureDisabledError, LockedAboveError
from appliance.model_selection.rules.places import Place
from appliance.model_selection.rules.values import ChoiceChange
from appliance.model_selection.rules.wishes import (
    Known,
    check_features,
    joined,
    problem_of_list,
    problems_of_models,
)
from gateway.contract.selection import Choice

MAX_OFFERED = 10


def choices_of(change: ChoiceChange, place: Place, known: Known) -> Sequence[Choice]:
    """What a wish comes down to, one choice a feature.

    Raises:
        FeatureUnknownError: the catalogue has none of that name.
        FeatureDisabledError, LockedAboveError: the level above leaves no choice.
        InvalidFieldsError: with a sentence for each field at fault.
    """
    features = check_features(change.features, known.catalog)
    for feature in features:
        _check_is_open(feature, place)
    wrong = _contradictions(change) or _misfits(change, features, place, known=known)
    if wrong:
        raise InvalidFieldsError(wrong)
    narrowed_to = None if change.narrowed_to is None else frozenset(change.narrowed_to)
    return [
        Choice(feature, change.model_ref, change.is_locked, narrowed_to) for feature in features
    ]


def _check_is_open(feature: str, place: Place) -> None:
    if place.offers[feature].is_disabled:
        raise FeatureDisabledError(feature)
    above = place.above(feature)
    if above.is_locked:
        raise LockedAboveError(feature, place.name_of(above.locked_at))


def _contradictions(change: ChoiceChange) -> dict[str, str]:
    if not change.model_ref:
        return {"model": "is required; reset the choice to inherit again"}
    wrong = problem_of_list(change.narrowed_to, chosen=change.model_ref)
    return {} if wrong is None else {"allowed_models": wrong}


def _misfits(
    change: ChoiceChange, features: Sequence[str], place: Place, *, known: Known
) -> dict[str, str]:
    others = [ref for ref in change.narrowed_to or () if ref != change.model_ref]
    wrong = {
        field: joined(
            chain(
                problems_of_models(refs, features, known),
                _not_offered(refs, features, place, known=known),
            )
        )
        for field, refs in (("model", [change.model_ref]), ("allowed_models", others))
    }
    return {field: problem for field, problem in wrong.items() if problem}


def _not_offered(
    refs: Sequence[str], features: Sequence[str], place: Place, *, known: Known
) -> Iterator[str]:
    """What is wrong with models that could be chosen elsewhere."""
    for feature in features:
        offered, usable = place.above(feature).selectable, known.pool.selectable(feature)
        for ref in refs:
            if ref in usable and ref not in offered:
                yield (
                    f"{ref} is not among what {place.narrowed_by(feature, ref)} allows for "
                    f"{feature}; there is to choose from: {_some(offered)}"
                )


def _some(refs: Iterable[str]) -> str:
    ordered = sorted(refs)
    more = len(ordered) - MAX_OFFERED
    said = ", ".join(ordered[:MAX_OFFERED]) or "nothing"
    return f"{said} and {more} more" if more > 0 else said
