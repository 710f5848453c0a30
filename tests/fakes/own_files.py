"""The files in which an administrator says which models a gateway brings, and where they are."""

import json
import tomllib
from pathlib import Path
from typing import Any

from gateway.contract.addresses import DEFAULT_NETWORKS
from gateway.upstream.own.own_models import OwnFiles


def a_model(identifier: str = "big", **members: Any) -> dict[str, Any]:
    return {"identifier": identifier, "name": identifier.title(), "family": "general", **members}


def a_feature(name: str = "duo_chat", **members: Any) -> dict[str, Any]:
    return {"feature_setting": name, **members}


def an_upstream(model: str = "big", **members: Any) -> dict[str, Any]:
    return {"model": model, "endpoints": ["http://127.0.0.1:1/v1"], **members}


class AdminsFiles:
    """A folder with both; what was not written is not there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.definitions = folder / "definitions.json"
        self.upstreams = folder / "upstreams.json"

    def define(self, *models: dict[str, Any], features: list[dict[str, Any]] | None = None) -> None:
        written = {"models": models, "unit_primitives": features or []}
        self.definitions.write_text(json.dumps(written))

    def bind(self, *upstreams: dict[str, Any]) -> None:
        self.upstreams.write_text(json.dumps({"upstreams": upstreams}))

    def key_file(self, api_key: str, name: str = "model.key", *, mode: int = 0o600) -> str:
        path = self.folder / name
        path.write_text(api_key)
        path.chmod(mode)
        return name

    def said(self, **changes: Any) -> OwnFiles:
        """As the settings name them."""
        files: dict[str, Any] = {
            "definitions": self.definitions if self.definitions.exists() else None,
            "upstreams": self.upstreams if self.upstreams.exists() else None,
            "networks": DEFAULT_NETWORKS,
            "is_mounted": False,
            **changes,
        }
        return OwnFiles(**files)


SEED = tomllib.loads("""
[[models]]
name = "Claude Sonnet 3.7 - Anthropic"
identifier = "claude_sonnet_3_7_20250219"
[[models]]
name = "Claude Sonnet 3.5 - Anthropic"
identifier = "claude_3_5_sonnet_20240620"
[[unit_primitives]]
feature_setting = "duo_chat"
default_model = "claude_sonnet_3_7_20250219"
selectable_models = ["claude-3-7-sonnet-20250219", "claude_3_5_sonnet_20240620"]
beta_models = []
unit_primitives = ["ask_build", "ask_commit"]
""")
