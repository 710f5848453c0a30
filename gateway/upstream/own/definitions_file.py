"""Reads which models a gateway brings: a file that a person writes, or the one shipped with it.

It has the shape in which they are published, less what the gateway says of itself.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated

import msgspec

from gateway.contract.catalog import Catalog, ReleaseState
from gateway.contract.definitions import MAX_MODELS, REF, DefinedFeature, DefinedModel
from gateway.contract.selection import DEFAULT_MODEL, ref_key
from gateway.upstream.own.entries import (
    UnreadableFileError,
    quoted,
    read_entry,
    read_lists,
    repeated,
)

SHIPPED = "definitions.toml"
DEFAULT_PROVIDER = "duo"
MAX_CONTEXT_TOKENS = 2**31 - 1
MAX_CHARS = {"name": 255, "description": 1000, "cost_indicator": 32}

# What means something else where a model's ref may stand: in a request, and below /v1/models.
RESERVED = frozenset({DEFAULT_MODEL, "definitions", "check"})


class _Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model as it is written; what is not said of release and context is its family's."""

    name: str
    identifier: str
    provider: str = DEFAULT_PROVIDER
    family: str | None = None
    description: str | None = None
    cost_indicator: str | None = None
    release_state: ReleaseState | None = None
    context_tokens: Annotated[int, msgspec.Meta(gt=0, le=MAX_CONTEXT_TOKENS)] | None = None


class _Feature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One feature as it is written; `selectable_models` None: all that suit and are no trial."""

    feature_setting: str
    default_model: str | None = None
    selectable_models: tuple[str, ...] | None = None
    beta_models: tuple[str, ...] = ()
    unit_primitives: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class Defined:
    """What a file says.

    `identifiers` has those of models that cannot be used as well; None: nobody can tell.
    """

    models: tuple[DefinedModel, ...] = ()
    features: tuple[DefinedFeature, ...] = ()
    identifiers: frozenset[str] | None = None
    problems: list[str] = field(default_factory=list)


def read_definitions(path: Path | None, catalog: Catalog) -> Defined:
    """Reads a file, None: the shipped one; the models and features are good if no problem is."""
    try:
        lists = _lists(path)
    except UnreadableFileError as error:
        return Defined(problems=[str(error)])
    told = lists.get("models", ())
    if len(told) > MAX_MODELS:
        return Defined(problems=[f"names {len(told)} models; {MAX_MODELS} are the most"])
    models = _Models(catalog)
    for number, written in enumerate(told, 1):
        models.take(written, number)
    features = _Features(models, catalog)
    for number, written in enumerate(lists.get("unit_primitives", ()), 1):
        features.take(written, number)
    return Defined(
        models=tuple(models.good.values()),
        features=tuple(features.good),
        identifiers=frozenset(models.taken.values()),
        problems=[*models.problems, *features.problems],
    )


def _lists(path: Path | None) -> Mapping[str, list[object]]:
    names = ("models", "unit_primitives")
    if path is not None:
        return read_lists(path, names=names)
    with as_file(files(__package__).joinpath(SHIPPED)) as shipped:
        return read_lists(shipped, names=names)


class _Models:
    """The models, one after the other; no two may be one after folding."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self.good: dict[str, DefinedModel] = {}
        # Every identifier by its key, also of models that cannot be used.
        self.taken: dict[str, str] = {}
        self.problems: list[str] = []

    def take(self, written: object, number: int) -> None:
        """Reads one more."""
        model, problems = read_entry(written, _Model)
        identifier = written.get("identifier") if isinstance(written, dict) else None
        where = f"model {number}"
        if isinstance(identifier, str):
            where = f"model {quoted(identifier)}"
            key = ref_key(identifier)
            if key in self.taken:
                problems.append(f"is there already, as {quoted(self.taken[key])}")
            self.taken.setdefault(key, identifier)
        if model is not None:
            problems += self._problems(model)
        self.problems += [f"{where}: {problem}" for problem in problems]
        if model is not None and not problems:
            self.good[model.identifier] = self._defined(model)

    def _problems(self, model: _Model) -> Iterator[str]:
        if not REF.fullmatch(model.identifier):
            yield (
                "identifier: must be 1 to 255 letters, digits, '.', '_', '-', ':' or '/', "
                "and begin and end with a letter or digit"
            )
        if ref_key(model.identifier) in RESERVED:
            yield "identifier: means something else"
        for name, most in MAX_CHARS.items():
            text = getattr(model, name)
            if text is not None and not (text.strip() and len(text) <= most and text.isprintable()):
                yield f"{name}: must be 1 to {most} printable characters"
        if model.family is not None and model.family not in self._catalog.model_families:
            known = ", ".join(self._catalog.model_families)
            yield f"family: there is no {quoted(model.family)}; there are {known}"
        if model.provider not in self._catalog.providers:
            known = ", ".join(self._catalog.providers)
            yield f"provider: there is no {quoted(model.provider)}; there are {known}"

    def _defined(self, model: _Model) -> DefinedModel:
        family = self._catalog.model_families[model.family] if model.family else None
        return DefinedModel(
            name=model.name,
            identifier=model.identifier,
            provider=model.provider,
            description=model.description,
            cost_indicator=model.cost_indicator,
            family=model.family,
            release_state=model.release_state or (family.release_state if family else "GA"),
            context_tokens=model.context_tokens or (family.context_tokens if family else None),
        )


class _Features:
    """The features, one after the other, each once."""

    def __init__(self, models: _Models, catalog: Catalog) -> None:
        self._catalog = catalog
        self._models = models.good
        self._identifiers = frozenset(models.taken.values())
        self._keys = models.taken
        self._taken: Counter[str] = Counter()
        self.good: list[DefinedFeature] = []
        self.problems: list[str] = []

    def take(self, written: object, number: int) -> None:
        """Reads one more."""
        feature, problems = read_entry(written, _Feature)
        if feature is None:
            self.problems += [f"unit primitives {number}: {problem}" for problem in problems]
            return
        name = feature.feature_setting
        self._taken[name] += 1
        selectable = feature.selectable_models
        if selectable is None:
            selectable = self._suiting(name, but=feature.beta_models)
        problems += self._problems(feature, selectable)
        self.problems += [f"feature {quoted(name)}: {problem}" for problem in problems]
        if not problems:
            self.good.append(
                DefinedFeature(
                    feature_setting=name,
                    default_model=feature.default_model,
                    selectable_models=selectable,
                    beta_models=feature.beta_models,
                    unit_primitives=self._catalog.features[name].unit_primitives,
                )
            )

    def _suiting(self, feature: str, *, but: tuple[str, ...]) -> tuple[str, ...]:
        known = self._catalog.features.get(feature)
        families, left_out = known.model_families if known else (), frozenset(but)
        return tuple(
            ref
            for ref, model in self._models.items()
            if model.family in families and ref not in left_out
        )

    def _problems(self, feature: _Feature, selectable: tuple[str, ...]) -> Iterator[str]:
        known = self._catalog.features.get(feature.feature_setting)
        if known is None:
            yield f"there is no such feature; there are {', '.join(self._catalog.features)}"
            return
        if self._taken[feature.feature_setting] > 1:
            yield "is there already"
        for name in ("selectable_models", "beta_models"):
            yield from self._of_list(name, getattr(feature, name) or (), known.model_families)
        for each in sorted(set(selectable).intersection(feature.beta_models)):
            yield f"beta_models: {quoted(each)} is in selectable_models as well"
        default = feature.default_model
        if default is not None and default not in selectable and not self._is_excused(feature):
            yield f"default_model: {quoted(default)} is not selectable"
        for each in sorted(set(feature.unit_primitives).difference(known.unit_primitives)):
            yield f"unit_primitives: {quoted(each)} is not one of this feature"

    def _is_excused(self, feature: _Feature) -> bool:
        """Whether the default would suit, if what is said of the model were good."""
        default = feature.default_model
        is_bad = default in self._identifiers and default not in self._models
        return is_bad and feature.selectable_models is None

    def _of_list(
        self, name: str, refs: tuple[str, ...], families: tuple[str, ...]
    ) -> Iterator[str]:
        for ref in repeated(refs):
            yield f"{name}: {quoted(ref)} is named twice"
        for ref in dict.fromkeys(refs):
            model = self._models.get(ref)
            if ref not in self._identifiers:
                meant = self._keys.get(ref_key(ref))
                hint = f"; {quoted(meant)} is" if meant else ""
                yield f"{name}: {quoted(ref)} is not one of the models{hint}"
            elif model is not None and model.family not in {None, *families}:
                yield f"{name}: {quoted(ref)} does not suit it: its family is {model.family}"
