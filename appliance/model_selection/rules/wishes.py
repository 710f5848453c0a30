"""Whether what an admin or an owner wishes can be, with a sentence for what cannot."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from appliance.errors import InvalidFieldsError
from appliance.model_selection.errors import FeatureUnknownError
from appliance.model_selection.rules.nearest import nearest
from appliance.model_selection.rules.values import (
    FeatureChange,
    FeatureSetting,
    ModelKind,
    Pool,
    SelectableModel,
    SettingProvider,
)
from gateway.contract.catalog import Catalog
from gateway.contract.selection import ref_key

MAX_SHOWN_CHARS = 255
MAX_SENTENCES = 3
# What a person lists by hand, and what can be looked at while others wait to write.
MAX_LISTED = 1000
PROVIDERS: Mapping[ModelKind, SettingProvider] = {
    "self_hosted": "self_hosted",
    "offered": "vendored",
}
_KINDS: Mapping[SettingProvider, str] = {
    "self_hosted": "a model that is registered here",
    "vendored": "a model that the gateway brings",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a wish is held against.

    `unlisted` are refs that the gateway's definitions select, for which features, without listing
    a model of that ref.
    """

    pool: Pool
    catalog: Catalog
    unlisted: Mapping[str, Collection[str]] = field(default_factory=dict)


def check_features(features: Iterable[str], catalog: Catalog) -> tuple[str, ...]:
    """The features, each once.

    Raises:
        FeatureUnknownError: the catalogue has none of that name.
        InvalidFieldsError: none is named.
    """
    named = tuple(dict.fromkeys(features))
    for name in named:
        if name not in catalog.features:
            raise FeatureUnknownError(name, nearest(name, catalog.features))
    if not named:
        raise InvalidFieldsError({"feature": "is required"})
    return named


def settings_of(
    change: FeatureChange, known: Known, *, stored: Mapping[str, FeatureSetting], now: datetime
) -> Sequence[FeatureSetting]:
    """What a wish comes down to, one setting a feature.

    What a setting allows already may stay there, even if it cannot be used at the moment.

    Raises:
        FeatureUnknownError: the catalogue has none of that name.
        InvalidFieldsError: with a sentence for each field at fault.
    """
    features = check_features(change.features, known.catalog)
    problems = _contradictions(change)
    if not problems:
        problems = _misfits(change, known, features=features, stored=stored)
    if problems:
        raise InvalidFieldsError(problems)
    return [
        FeatureSetting(
            feature=feature,
            provider=change.provider or _provider_of(change.default_ref, known.pool),
            default_ref=change.default_ref,
            allowed=None if change.allowed is None else frozenset(change.allowed),
            is_locked=change.is_locked,
            updated_at=now,
        )
        for feature in features
    ]


def is_same(setting: FeatureSetting, stored: FeatureSetting | None) -> bool:
    """Whether both say the same, whenever they were said."""
    return stored is not None and all(
        getattr(setting, field) == getattr(stored, field)
        for field in ("provider", "default_ref", "allowed", "is_locked")
    )


def problem_of_list(refs: Sequence[str] | None, *, chosen: str) -> str | None:
    """Why such a list, in which the chosen model must be, makes no sense whatever it names."""
    if refs is None:
        return None
    if not refs:
        return "names no model; leave it out to allow every model that suits"
    if len(refs) > MAX_LISTED:
        return f"names more than {MAX_LISTED} models"
    counted = Counter(map(ref_key, refs))
    twice = next((ref for ref in refs if counted[ref_key(ref)] > 1), None)
    if twice is not None:
        return f"names {shown(twice)} more than once"
    if chosen not in refs:
        return f"must have the chosen model, {shown(chosen)}, in it"
    return None


def problem_of_model(ref: str, feature: str, known: Known) -> str | None:
    """Why that model cannot be chosen for that feature anywhere; None when it can."""
    model = known.pool.models.get(ref)
    if model is None:
        return _unknown(ref, known)
    if feature not in model.features:
        return _unsuited(model, feature, known.catalog)
    if model.why_unusable is not None:
        return f"{ref} cannot be used: {model.why_unusable}"
    return None


def shown(text: str) -> str:
    """What a client sent, short enough for a sentence."""
    return repr(text[:MAX_SHOWN_CHARS])


def joined(sentences: Iterable[str]) -> str:
    """The first of the sentences as one, each once; no more are made than are said."""
    kept: dict[str, None] = {}
    for sentence in sentences:
        kept[sentence] = None
        if len(kept) == MAX_SENTENCES:
            break
    return "; ".join(kept)


def problems_of_models(refs: Iterable[str], features: Sequence[str], known: Known) -> Iterator[str]:
    """What `problem_of_model` finds for any of the features; an unknown model is said once."""
    for ref in refs:
        # Looking for the nearest takes its time.
        asked = features if ref in known.pool.models else features[:1]
        found = (problem_of_model(ref, feature, known) for feature in asked)
        yield from (problem for problem in found if problem is not None)


def _unknown(ref: str, known: Known) -> str:
    meant = nearest(ref, known.pool.models)
    hint = "" if meant is None else f"; the nearest is {meant}"
    features = known.unlisted.get(ref)
    if features:
        return (
            f"{shown(ref)} is selectable for {', '.join(sorted(features))} in the gateway's "
            f"definitions, but not in their models{hint}"
        )
    return f"there is no model {shown(ref)}{hint}"


def _unsuited(model: SelectableModel, feature: str, catalog: Catalog) -> str:
    if model.kind == "self_hosted":
        families = ", ".join(catalog.features[feature].model_families)
        return (
            f"{model.ref} is of the family {model.family}, which does not suit {feature}; "
            f"families that do: {families}"
        )
    others = ", ".join(sorted(model.features)) or "no feature"
    return f"{model.ref} is not offered for {feature}; the gateway offers it for {others}"


def _contradictions(change: FeatureChange) -> dict[str, str]:
    """What is wrong with the wish itself, whatever models there are."""
    checks = {
        "default_model": _problem_of_default(change),
        "allowed_models": _problem_of_allowed(change),
        "locked": _problem_of_lock(change),
    }
    return {field: problem for field, problem in checks.items() if problem is not None}


def _problem_of_default(change: FeatureChange) -> str | None:
    if change.provider in {"disabled", "unassigned"}:
        unwanted = f"must be left out for the provider {change.provider}"
        return unwanted if change.default_ref else None
    return None if change.default_ref else "is required: it is used where no group chooses"


def _problem_of_allowed(change: FeatureChange) -> str | None:
    if change.default_ref:
        return problem_of_list(change.allowed, chosen=change.default_ref)
    return None if change.allowed is None else "must be left out without a default model"


def _problem_of_lock(change: FeatureChange) -> str | None:
    if change.is_locked and change.provider == "disabled":
        return "says nothing about a feature that is disabled"
    return None


def _misfits(
    change: FeatureChange,
    known: Known,
    *,
    features: Sequence[str],
    stored: Mapping[str, FeatureSetting],
) -> dict[str, str]:
    """What is wrong with the wish because of the models that there are."""
    ref = change.default_ref
    if not ref:
        return {}
    kept = _kept(features, stored) | {ref}
    added = [each for each in change.allowed or () if each not in kept]
    checks = {
        "default_model": joined(problems_of_models([ref], features, known)),
        "allowed_models": joined(problems_of_models(added, features, known)),
        "provider": _problem_of_provider(change.provider, known.pool.models.get(ref)),
    }
    return {field: problem for field, problem in checks.items() if problem}


def _kept(features: Sequence[str], stored: Mapping[str, FeatureSetting]) -> frozenset[str]:
    """What is allowed already for all of them."""
    allowed = [stored[each].allowed or () if each in stored else () for each in features]
    return frozenset(allowed[0]).intersection(*allowed[1:])


def _problem_of_provider(
    provider: SettingProvider | None, default: SelectableModel | None
) -> str | None:
    if provider is None or default is None or provider == PROVIDERS[default.kind]:
        return None
    needed, given = _KINDS[provider], _KINDS[PROVIDERS[default.kind]]
    return f"{provider} needs {needed}, and {default.ref} is {given}"


def _provider_of(ref: str | None, pool: Pool) -> SettingProvider:
    return PROVIDERS[pool.models[ref].kind] if ref else "unassigned"
