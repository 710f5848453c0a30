"""Loads the catalogue of what there is to grant, and checks that it holds together."""

import tomllib
from collections import Counter
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec

ReleaseState = Literal["GA", "BETA", "EXPERIMENT"]


class CatalogError(ValueError):
    """The catalogue file contradicts itself; the text names every place."""


class UnitPrimitive(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The smallest billable action; its name is the scope that opens it."""

    description: str


class Feature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A product function; a scope of any of `unit_primitives` opens its part of it."""

    title: str
    main_feature: str
    release_state: ReleaseState
    unit_primitives: tuple[str, ...]
    model_families: tuple[str, ...]


class Provider(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who runs the model; entitled by what the organisation owns, never by a seat."""

    title: str


class AddOn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A purchase: what it opens for who holds a seat (or for all), and what it entitles.

    `accompanies` names the add-ons of which it goes with one, in equal number; `graphql_type` is
    its name in GraphQL.
    """

    title: str
    has_seats: bool
    opens: tuple[str, ...] = ()
    entitles: tuple[str, ...] = ()
    accompanies: tuple[str, ...] = ()
    graphql_type: str | None = None


class Catalog(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything there is to grant, by name."""

    unit_primitives: dict[str, UnitPrimitive]
    features: dict[str, Feature]
    providers: dict[str, Provider]
    add_ons: dict[str, AddOn]

    def features_by_unit_primitive(self) -> dict[str, str]:
        """The feature of each unit primitive that belongs to one."""
        return {
            unit_primitive: name
            for name, feature in self.features.items()
            for unit_primitive in feature.unit_primitives
        }


def parse_catalog(text: str) -> Catalog:
    """Reads a catalogue.

    Raises:
        CatalogError: not TOML of the expected shape, a name that nothing defines, or a unit
            primitive that two features claim.
    """
    try:
        catalog = msgspec.convert(tomllib.loads(text), Catalog)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as cause:
        raise CatalogError(str(cause)) from cause
    problems = _problems(catalog)
    if problems:
        raise CatalogError("; ".join(problems))
    return catalog


def _problems(catalog: Catalog) -> list[str]:
    problems = []
    for name, feature in catalog.features.items():
        unknown = set(feature.unit_primitives) - catalog.unit_primitives.keys()
        problems += [f"feature {name}: unknown unit primitive {each}" for each in sorted(unknown)]
    for name, add_on in catalog.add_ons.items():
        unknown = set(add_on.opens) - catalog.unit_primitives.keys()
        problems += [f"add-on {name}: unknown unit primitive {each}" for each in sorted(unknown)]
        unknown = set(add_on.entitles) - catalog.providers.keys()
        problems += [f"add-on {name}: unknown provider {each}" for each in sorted(unknown)]
    claimed = Counter(each for f in catalog.features.values() for each in f.unit_primitives)
    problems += [f"unit primitive {each} is claimed twice" for each, n in claimed.items() if n > 1]
    return problems


@cache
def load_catalog() -> Catalog:
    """The catalogue of this release."""
    return parse_catalog(files(__package__).joinpath("catalog.toml").read_text("utf-8"))
