"""Makes one pool of the models that are registered here and those that a gateway brings."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from appliance.model_selection.rules.definitions import NOT_SERVED, Offer
from appliance.model_selection.rules.values import Pool, SelectableModel
from appliance.self_hosted_models.rules import SelfHostedModel
from gateway.contract.catalog import Catalog, ReleaseState

DISABLED = "It is disabled."
RETIRED = "The gateway no longer offers it."


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedModel:
    """A model that a gateway brings; the three sets are names of features.

    `retired_at` is when the gateway no longer named it, though a choice still did.
    """

    id: int
    ref: str
    name: str
    provider: str
    family: str | None
    release_state: ReleaseState
    description: str | None
    cost_indicator: str | None
    context_tokens: int | None
    is_served: bool
    retired_at: datetime | None
    features: frozenset[str]
    beta_for: frozenset[str]
    default_for: frozenset[str]

    @property
    def why_unusable(self) -> str | None:
        """A sentence; None when it can be used."""
        if self.retired_at is not None:
            return RETIRED
        return None if self.is_served else NOT_SERVED


def make_pool(
    registered: Iterable[SelfHostedModel], offered: Iterable[OfferedModel | Offer], catalog: Catalog
) -> Pool:
    """The pool; refs of both share one space."""
    models = {each.ref: _of_offered(each) for each in offered}
    models |= {each.ref: _of_registered(each, catalog) for each in registered}
    return Pool(models=models)


def suits(family: str, catalog: Catalog) -> frozenset[str]:
    """The features that models of that family suit."""
    return frozenset(
        name for name, feature in catalog.features.items() if family in feature.model_families
    )


def _of_registered(model: SelfHostedModel, catalog: Catalog) -> SelectableModel:
    return SelectableModel(
        ref=model.ref,
        name=model.name,
        kind="self_hosted",
        provider=model.provider,
        family=model.family,
        release_state="GA",
        features=suits(model.family, catalog),
        why_unusable=None if model.is_enabled else DISABLED,
        self_hosted_id=model.id,
    )


def _of_offered(model: OfferedModel | Offer) -> SelectableModel:
    return SelectableModel(
        ref=model.ref,
        name=model.name,
        kind="offered",
        provider=model.provider,
        family=model.family,
        release_state=model.release_state,
        # Thousands of models share one set.
        features=model.features | model.beta_for if model.beta_for else model.features,
        beta_for=model.beta_for,
        default_for=model.default_for,
        why_unusable=model.why_unusable,
        description=model.description,
        cost_indicator=model.cost_indicator,
    )
