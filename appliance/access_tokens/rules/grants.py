"""What is left of what was bought where feature flags are off, and what that opens."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from appliance.feature_flags.rules import GLOBAL_SWITCH, Definition
from appliance.licensing.rules import Grant
from appliance.namespaces.rules import Namespace
from gateway.contract.catalog import Catalog

# What the gateway asks for on the routes of each.
CHAT = "duo_chat"
CODE_SUGGESTIONS = frozenset({"complete_code", "generate_code"})
CHAT_CONTEXT = re.compile("include_.+_context")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a user has in one group, or outside of any: the grant, and the flags that are on."""

    grant: Grant
    flags: frozenset[str]
    namespace: Namespace | None


def guards(
    unit_primitive: str, catalog: Catalog, definitions: Mapping[str, Definition]
) -> tuple[str, ...]:
    """The flags that must all be on for a unit primitive, besides the switch for everything."""
    return tuple(
        name
        for name, definition in definitions.items()
        if name != GLOBAL_SWITCH and unit_primitive in _guarded(definition, catalog)
    )


def effective(
    grant: Grant,
    flags: frozenset[str],
    *,
    catalog: Catalog,
    definitions: Mapping[str, Definition],
) -> Grant:
    """What is left of a grant where flags are off; providers are bought, no flag takes them."""
    off = [definition for name, definition in definitions.items() if name not in flags]
    closed = (closed_by(definition, catalog) for definition in off)
    return replace(grant, scopes=grant.scopes.difference(*closed))


def closed_by(definition: Definition, catalog: Catalog) -> frozenset[str]:
    """The unit primitives that nobody may use for whom a flag is off."""
    if definition.name == GLOBAL_SWITCH:
        return frozenset(catalog.unit_primitives)
    return _guarded(definition, catalog)


def _guarded(definition: Definition, catalog: Catalog) -> frozenset[str]:
    features = (catalog.features[name] for name in definition.features)
    return frozenset(each for feature in features for each in feature.unit_primitives)


def is_chat_open(grant: Grant) -> bool:
    """Whether the grant opens chat, and entitles to somebody's models at all."""
    return CHAT in grant.scopes and bool(grant.providers)


def are_suggestions_open(grant: Grant) -> bool:
    """Whether the grant opens code suggestions, and entitles to somebody's models at all."""
    return bool(grant.scopes & CODE_SUGGESTIONS) and bool(grant.providers)


def chat_contexts(grant: Grant) -> list[str]:
    """What may be added to a question in chat, by the unit primitive of each kind; sorted."""
    return sorted(scope for scope in grant.scopes if CHAT_CONTEXT.fullmatch(scope))
