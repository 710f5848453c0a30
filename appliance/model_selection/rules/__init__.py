"""What there is to choose from, who may choose what, and what comes of it."""

from appliance.model_selection.rules.values import (
    ChoiceChange,
    ChoiceView,
    FeatureChange,
    FeatureSetting,
    FeatureView,
    Pool,
    SelectableModel,
    SettingProvider,
    Uses,
)

__all__ = [
    "ChoiceChange",
    "ChoiceView",
    "FeatureChange",
    "FeatureSetting",
    "FeatureView",
    "Pool",
    "SelectableModel",
    "SettingProvider",
    "Uses",
]
