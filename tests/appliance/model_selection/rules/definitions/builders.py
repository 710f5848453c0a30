"""Definitions as gateways publish them; a test says only what matters to it."""

import json
from pathlib import Path
from typing import Any

# As it stands in the document that asked for it, with its contradictions.
SEED = (Path(__file__).parent / "seed_001.json").read_bytes()


def a_defined_model(identifier: str, **members: Any) -> dict[str, Any]:
    return {"name": identifier.title(), "identifier": identifier, **members}


def a_defined_feature(
    name: str, default: str | None = None, *selectable: str, **members: Any
) -> Any:
    return {
        "feature_setting": name,
        "default_model": default,
        "selectable_models": list(selectable),
        "beta_models": [],
        "unit_primitives": [],
        **members,
    }


def a_document(models: list[Any], features: list[Any]) -> bytes:
    return json.dumps({"models": models, "unit_primitives": features}).encode()


def a_list(*models: Any) -> bytes:
    return json.dumps(models).encode()


def a_listed_model(identifier: str, *features: Any, **members: Any) -> dict[str, Any]:
    fields = {"name": identifier.title(), "id": identifier, "release_state": "GA"}
    return {**fields, "features": list(features), **members}
