"""Loads the catalogue of what there is to grant, and checks that it holds together."""

import re
import tomllib
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

import msgspec

ReleaseState = Literal["GA", "BETA", "EXPERIMENT"]
# How a family is asked to complete code: its own tokens around the gap, markers with the text after
# the gap first, or a question in a chat.
PromptStyle = Literal["fim_tokens", "suffix_prefix", "chat"]

NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*").fullmatch


class CatalogError(ValueError):
    """The catalogue file contradicts itself; the text names every place."""


class UnitPrimitive(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The smallest billable action; its name is the scope that opens it."""

    description: str


class ModelFamily(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Models that are asked in the same way.

    `context_tokens` is how much text one takes that says nothing else of itself.
    """

    title: str
    release_state: ReleaseState
    context_tokens: Annotated[int, msgspec.Meta(gt=0)]
    prompt_style: PromptStyle


class Feature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A product function; a scope of any of `unit_primitives` opens its part of it.

    `model_families` are those that suit it.
    """

    title: str
    main_feature: str
    release_state: ReleaseState
    unit_primitives: tuple[str, ...]
    model_families: tuple[str, ...]


class Provider(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who runs the model; entitled by what the organisation owns, never by a seat.

    `from_gateway`: its models come with the gateway, and none can be registered for it.
    """

    title: str
    from_gateway: bool = False


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
    model_families: dict[str, ModelFamily]
    features: dict[str, Feature]
    providers: dict[str, Provider]
    add_ons: dict[str, AddOn]

    def registrable_providers(self) -> tuple[str, ...]:
        """Whom a model that is registered at the instance may belong to."""
        return tuple(name for name, each in self.providers.items() if not each.from_gateway)

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
        CatalogError: not TOML of the expected shape, a name that nothing defines or that is
            there twice, or an add-on that makes no sense.
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
    return [
        *_bad_names(catalog),
        *_unresolved(catalog),
        *_claimed_twice(catalog),
        *_odd_add_ons(catalog),
    ]


def _bad_names(catalog: Catalog) -> Iterator[str]:
    for kind in Catalog.__struct_fields__:
        names: dict[str, object] = getattr(catalog, kind)
        yield from (f"{kind}: {each!r} is not lower_snake" for each in names if not NAME(each))
        # Two names that a person would read as one.
        folded = Counter(each.casefold().replace("_", "").replace("-", "") for each in names)
        yield from (f"{kind}: {each!r} is there twice" for each, n in folded.items() if n > 1)


def _unresolved(catalog: Catalog) -> Iterator[str]:
    for name, feature in catalog.features.items():
        where = f"feature {name}"
        yield from _unknown(
            where, "unit primitive", named=feature.unit_primitives, known=catalog.unit_primitives
        )
        yield from _unknown(
            where, "model family", named=feature.model_families, known=catalog.model_families
        )
    for name, add_on in catalog.add_ons.items():
        where = f"add-on {name}"
        yield from _unknown(
            where, "unit primitive", named=add_on.opens, known=catalog.unit_primitives
        )
        yield from _unknown(where, "provider", named=add_on.entitles, known=catalog.providers)
        yield from _unknown(where, "add-on", named=add_on.accompanies, known=catalog.add_ons)


def _unknown(
    where: str, what: str, *, named: Iterable[str], known: Container[str]
) -> Iterator[str]:
    counted = Counter(named)
    yield from (f"{where}: unknown {what} {each}" for each in counted if each not in known)
    yield from (f"{where}: {what} {each} is named twice" for each, n in counted.items() if n > 1)


def _claimed_twice(catalog: Catalog) -> Iterator[str]:
    claimed = Counter(each for f in catalog.features.values() for each in set(f.unit_primitives))
    yield from (f"unit primitive {each} is claimed twice" for each, n in claimed.items() if n > 1)
    types = Counter(each.graphql_type for each in catalog.add_ons.values() if each.graphql_type)
    yield from (f"GraphQL type {each} is claimed twice" for each, n in types.items() if n > 1)


def _odd_add_ons(catalog: Catalog) -> Iterator[str]:
    for name, add_on in catalog.add_ons.items():
        if not add_on.opens and not add_on.entitles:
            yield f"add-on {name}: opens and entitles nothing"
        if add_on.has_seats and not add_on.opens:
            yield f"add-on {name}: has seats, but they open nothing"
        if add_on.has_seats and add_on.accompanies:
            yield f"add-on {name}: what accompanies another has no seats of its own"
        for other in add_on.accompanies:
            if other in catalog.add_ons and not catalog.add_ons[other].has_seats:
                yield f"add-on {name}: accompanies {other}, which has no seats"


@cache
def load_catalog() -> Catalog:
    """The catalogue of this release."""
    return parse_catalog(files(__package__).joinpath("catalog.toml").read_text("utf-8"))
