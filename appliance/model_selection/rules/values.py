"""What there is to choose from, what is chosen, and what comes of it."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from appliance.namespaces.rules import Namespace
from gateway.contract.catalog import Feature as CatalogFeature
from gateway.contract.catalog import ReleaseState
from gateway.contract.selection import Choice, Effective, Feature

ModelKind = Literal["self_hosted", "offered"]
# GitLab's words for who runs the model of a feature, in lower case. Not stored: `unassigned`
# without a setting.
SettingProvider = Literal["disabled", "self_hosted", "vendored", "unassigned"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectableModel:
    """A model of the pool, registered here or brought by a gateway.

    `features` are those it may be selected for, of them `beta_for` as a trial; `why_unusable` is a
    sentence, None when it can be used.
    """

    ref: str
    name: str
    kind: ModelKind
    provider: str
    family: str | None
    release_state: ReleaseState
    features: frozenset[str]
    beta_for: frozenset[str] = frozenset()
    default_for: frozenset[str] = frozenset()
    why_unusable: str | None = None
    description: str | None = None
    cost_indicator: str | None = None
    self_hosted_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Every model there is, by ref, whether or not it can be used."""

    models: Mapping[str, SelectableModel]
    # Those that can be used, by what they suit: of thousands of models most suit the same.
    _usable: Mapping[frozenset[str], set[str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        usable: dict[frozenset[str], set[str]] = defaultdict(set)
        for ref, model in self.models.items():
            if model.why_unusable is None:
                usable[model.features].add(ref)
        object.__setattr__(self, "_usable", usable)

    def selectable(self, feature: str) -> frozenset[str]:
        """The refs of those that can be used for the feature."""
        suiting = (refs for features, refs in self._usable.items() if feature in features)
        return frozenset().union(*suiting)

    def offered_default(self, feature: str) -> str | None:
        """The ref of the usable model that the gateway brings as the feature's default."""
        refs = (
            ref
            for ref, model in self.models.items()
            if feature in model.default_for and model.why_unusable is None
        )
        return min(refs, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSetting:
    """What the instance says of a feature; without one, everything offered may be chosen.

    `default_ref` is None for `disabled` and `unassigned` only; `allowed`, if it is said, has
    `default_ref` in it.
    """

    feature: str
    provider: SettingProvider
    default_ref: str | None
    allowed: frozenset[str] | None
    is_locked: bool
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureChange:
    """A wish for the instance's setting of some features, which takes the place of what was.

    `provider` None: as the default's kind says. `allowed` None: every model that suits.
    """

    features: tuple[str, ...]
    provider: SettingProvider | None = None
    default_ref: str | None = None
    allowed: tuple[str, ...] | None = None
    is_locked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceChange:
    """A wish for a group's choice for some features, which takes the place of what was.

    `narrowed_to` None: the groups below may choose from all that the group itself could.
    """

    features: tuple[str, ...]
    model_ref: str
    narrowed_to: tuple[str, ...] | None = None
    is_locked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureView:
    """A feature as the instance sees it.

    `offer` is what groups choose from; `setting` None: nobody changed it. `default` is the model
    that is used where no group chose, None: nothing is assigned. `models` are all that suit, also
    those that cannot be used now, by ref. `problem` is a sentence when the setting no longer fits.
    """

    name: str
    feature: CatalogFeature
    setting: FeatureSetting | None
    offer: Feature
    provider: SettingProvider
    default: SelectableModel | None
    models: tuple[SelectableModel, ...]
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceView:
    """A feature as a group sees it.

    `above` holds at the level above, `here` in the group; `choice` is its own, None if it has none,
    and `problem` a sentence when that does not count. `model` is what `here` uses, `level` the
    group that chose it, None: the instance. `choosable` are the models that the group may choose
    from, by ref; `may_change_by` says who may change what is used here.
    """

    name: str
    feature: CatalogFeature
    choice: Choice | None
    above: Effective
    here: Effective
    is_disabled: bool
    provider: SettingProvider
    model: SelectableModel | None
    level: Namespace | None
    choosable: tuple[SelectableModel, ...]
    may_change_by: str
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Uses:
    """Where a model is named: by the instance for `features`, and by how many groups."""

    features: tuple[str, ...]
    groups: int
