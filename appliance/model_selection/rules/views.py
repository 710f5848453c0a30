"""What a feature looks like to the instance, and in a group."""

from collections.abc import Iterable

from appliance.model_selection.rules.offering import offer_of
from appliance.model_selection.rules.places import Place
from appliance.model_selection.rules.values import (
    ChoiceView,
    FeatureSetting,
    FeatureView,
    Pool,
    SelectableModel,
    SettingProvider,
)
from appliance.model_selection.rules.wishes import PROVIDERS
from gateway.contract.catalog import Catalog
from gateway.contract.selection import Choice, WhyIgnored


def feature_view(
    name: str, setting: FeatureSetting | None, *, pool: Pool, catalog: Catalog
) -> FeatureView:
    """The feature as the instance sees it."""
    offer = offer_of(name, setting, pool)
    default = None if offer.default is None else pool.models[offer.default]
    return FeatureView(
        name=name,
        feature=catalog.features[name],
        setting=setting,
        offer=offer,
        provider=_provider_of(default) if setting is None else setting.provider,
        default=default,
        models=_in_order(each for each in pool.models.values() if name in each.features),
        problem=None if setting is None else _problem_of_setting(setting, default, pool),
    )


def choice_view(name: str, place: Place, *, pool: Pool, catalog: Catalog) -> ChoiceView:
    """The feature as the group sees it."""
    is_disabled = place.offers[name].is_disabled
    own, above, here = place.own_choice(name), place.above(name), place.here(name)
    model = None if here.model is None else pool.models[here.model]
    return ChoiceView(
        name=name,
        feature=catalog.features[name],
        choice=own,
        above=above,
        here=here,
        is_disabled=is_disabled,
        provider="disabled" if is_disabled else _provider_of(model),
        model=model,
        level=place.level(name),
        choosable=_in_order(pool.models[ref] for ref in above.selectable),
        may_change_by=place.may_change_by(name),
        problem=None if own is None else _problem_of_choice(own, place, pool),
    )


def _provider_of(model: SelectableModel | None) -> SettingProvider:
    return "unassigned" if model is None else PROVIDERS[model.kind]


def _in_order(models: Iterable[SelectableModel]) -> tuple[SelectableModel, ...]:
    return tuple(sorted(models, key=lambda each: each.ref))


def _problem_of_setting(
    setting: FeatureSetting, default: SelectableModel | None, pool: Pool
) -> str | None:
    if setting.default_ref is None or default is not None:
        return None
    why = _why_gone(setting.default_ref, pool)
    return f"{setting.default_ref} is assigned, but not used. {why} Assign another model."


def _why_gone(ref: str, pool: Pool) -> str:
    model = pool.models.get(ref)
    if model is None:
        return "There is no such model any more."
    return model.why_unusable or "It does not suit the feature any more."


def _problem_of_choice(own: Choice, place: Place, pool: Pool) -> str | None:
    if place.offers[own.feature].is_disabled:
        return "It does not count: the feature is disabled for the whole instance."
    ignored = place.here(own.feature).ignored
    why = next((each.why for each in ignored if each.group_id == place.own_id), None)
    return None if why is None else f"It does not count: {_why_ignored(why, own, place, pool=pool)}"


def _why_ignored(why: WhyIgnored, own: Choice, place: Place, *, pool: Pool) -> str:
    if why == "locked_above":
        if not place.may_switch:
            return "the feature flag ai_model_switching is off."
        return f"the model is locked by {place.name_of(place.above(own.feature).locked_at)}."
    if own.model in pool.selectable(own.feature):
        return f"{place.narrowed_by(own.feature, own.model)} does not allow {own.model}."
    return f"{own.model} cannot be used. {_why_gone(own.model, pool)}"
