"""The rows of model selection."""

from appliance.model_selection.tables import choices, features, offers, syncing, walking, writing

__all__ = ["choices", "features", "offers", "syncing", "walking", "writing"]
