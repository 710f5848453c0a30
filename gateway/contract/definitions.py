"""The models that a gateway brings, as it publishes them and an instance reads them.

The shape is GitLab's, and grows: what a reader does not know it leaves out.
"""

import re

import msgspec

from gateway.contract.catalog import PromptStyle, ReleaseState

DEFINITIONS_PATH = "/v1/models/definitions"

# An instance takes no document that is longer or names more models.
MAX_DOCUMENT_BYTES = 8 * 1024 * 1024
MAX_MODELS = 10_000

# What a model may be named as.
REF = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/:-]{0,253}[A-Za-z0-9])?")


class DefinedModel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A model; `identifier` is its ref.

    `provider` is who is entitled for it (`duo` where nothing is said), `family` one of the
    catalogue's, `release_state` `GA`, `BETA` or `EXPERIMENT`, `context_tokens` how much it takes.
    `served` False: this gateway knows no endpoint for it; where nothing is said, it is served.
    """

    name: str
    identifier: str
    provider: str | None = None
    description: str | None = None
    cost_indicator: str | None = None
    family: str | None = None
    release_state: str | None = None
    context_tokens: int | None = None
    served: bool | None = None


class DefinedFeature(msgspec.Struct, frozen=True, kw_only=True):
    """A feature with the identifiers of the models that suit it; None: it has no default."""

    feature_setting: str
    default_model: str | None = None
    selectable_models: tuple[str, ...] = ()
    beta_models: tuple[str, ...] = ()
    unit_primitives: tuple[str, ...] = ()


class DefinedFamily(msgspec.Struct, frozen=True, kw_only=True):
    """A family of models: what is so of each that says nothing else, and the features it suits.

    `prompt_style` is how code is asked to be completed.
    """

    name: str
    title: str
    context_tokens: int
    prompt_style: PromptStyle
    release_state: ReleaseState
    features: tuple[str, ...]


class Definitions(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a gateway brings, and the families that its release knows."""

    models: tuple[DefinedModel, ...]
    unit_primitives: tuple[DefinedFeature, ...]
    families: tuple[DefinedFamily, ...] = ()
