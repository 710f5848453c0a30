"""What every answer about features and models has in common."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from appliance.model_selection.rules import SelectableModel
from gateway.contract.catalog import Feature


class Body(BaseModel):
    """What every body holds to."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def show_feature(name: str, feature: Feature) -> dict[str, Any]:
    """A feature, whatever is chosen for it."""
    return {
        "feature": name,
        "title": feature.title,
        "main_feature": feature.main_feature,
        "release_state": feature.release_state,
    }


def show_models(
    models: Iterable[SelectableModel], entitled: Mapping[str, str | None]
) -> list[dict[str, Any]]:
    """Models to choose from; `why` is a sentence for one that is not paid for."""
    return [
        {
            "ref": model.ref,
            "name": model.name,
            "provider": model.provider,
            "release_state": model.release_state,
            "entitled": entitled.get(model.provider) is None,
            "why": entitled.get(model.provider),
        }
        for model in models
    ]
