"""Reads a query, and refuses one that asks for too much, before anything else looks at it.

Validation itself can be made to work for very long: a fragment that is used twice, in one that is
used twice, and so on. So what is measured is measured once for each fragment.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    VariableNode,
    get_operation_ast,
    parse,
)

from appliance.ai_actions.rules.chat.slash_commands import COMMANDS
from appliance.ai_actions.rules.codes import CODES
from appliance.graphql.errors import (
    OperationUnknownError,
    QueryTooLargeError,
    QueryTooNestedError,
)
from appliance.storage.paging import MAX_PER_PAGE
from gateway.contract.catalog import load_catalog

MAX_TOKENS = 2000
MAX_DEPTH = 12
MAX_ALIASES = 20
MAX_COST = 500
# A field costs 1, and what lies in a list costs as much again for every ten items.
ITEMS_AT_ONE_COST = 10
LENGTHS = {"first", "last"}
PARTS_OF_A_LIST = {"nodes", "edges"}
# Lists that are as long as they are, whether or not a part of them is asked for.
_FEATURES = len(load_catalog().features)
KNOWN_LENGTHS = {
    "aiFeatureSettings": _FEATURES,
    "aiInstanceFeatureSettings": _FEATURES,
    "aiNamespaceFeatureSettings": _FEATURES,
    "aiModelSelectionNamespaceSettings": _FEATURES,
    "featureSettings": _FEATURES,
    "selectableModels": MAX_PER_PAGE,
    "aiSlashCommands": len(COMMANDS),
    "aiErrorCodes": len(CODES),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """How much something asks for."""

    depth: int = 0
    aliases: int = 0
    cost: int = 0

    @classmethod
    def together(cls, parts: Iterable["Measures"]) -> Self:
        """Those of things side by side."""
        found = list(parts)
        return cls(
            depth=max((each.depth for each in found), default=0),
            aliases=sum(each.aliases for each in found),
            cost=sum(each.cost for each in found),
        )


def read_operation(
    query: str, *, name: str | None, variables: Mapping[str, Any]
) -> OperationDefinitionNode:
    """The operation to answer.

    Raises:
        GraphQLSyntaxError: it is no GraphQL, or has too many tokens.
        QueryTooNestedError, QueryTooLargeError: it asks for too much.
        OperationUnknownError: there is none of that name.
    """
    try:
        document = parse(query, no_location=False, max_tokens=MAX_TOKENS)
        measures = measure(document, variables)
    except RecursionError:
        raise QueryTooNestedError from None
    for what, found, allowed in (
        ("depth", measures.depth, MAX_DEPTH),
        ("number of aliases", measures.aliases, MAX_ALIASES),
        ("cost", measures.cost, MAX_COST),
    ):
        if found > allowed:
            raise QueryTooLargeError(what, found=found, allowed=allowed)
    operation = get_operation_ast(document, name)
    if operation is None:
        raise OperationUnknownError
    return operation


def measure(document: DocumentNode, variables: Mapping[str, Any]) -> Measures:
    """How much all operations of a document ask for."""
    return _Ruler(document, variables).whole()


class _Ruler:
    def __init__(self, document: DocumentNode, variables: Mapping[str, Any]) -> None:
        self._document = document
        self._variables = variables
        self._fragments = {
            each.name.value: each
            for each in document.definitions
            if isinstance(each, FragmentDefinitionNode)
        }
        self._known: dict[str, Measures] = {}

    def whole(self) -> Measures:
        operations = (
            each for each in self._document.definitions if isinstance(each, OperationDefinitionNode)
        )
        return Measures.together(self._selected(each.selection_set) for each in operations)

    def _selected(self, chosen: SelectionSetNode | None) -> Measures:
        return Measures.together(map(self._one, chosen.selections if chosen else ()))

    def _one(self, node: SelectionNode) -> Measures:
        match node:
            case FieldNode():
                return self._field(node)
            case InlineFragmentNode():
                return self._selected(node.selection_set)
            case FragmentSpreadNode():
                return self._fragment(node.name.value)
            case _:
                return Measures()

    def _field(self, node: FieldNode) -> Measures:
        inner = self._selected(node.selection_set)
        # What a schema says of itself is deep by nature, and validation bounds it by itself.
        is_about_schema = node.name.value.startswith("__")
        return Measures(
            depth=0 if is_about_schema else 1 + inner.depth,
            aliases=inner.aliases + (node.alias is not None),
            cost=1 + inner.cost * self._factor(node),
        )

    def _fragment(self, name: str) -> Measures:
        if name not in self._known and name in self._fragments:
            # A fragment within itself counts for nothing here; validation refuses it.
            self._known[name] = Measures()
            self._known[name] = self._selected(self._fragments[name].selection_set)
        return self._known.get(name, Measures())

    def _factor(self, node: FieldNode) -> int:
        lengths = [
            self._length(each.value) for each in node.arguments or () if each.name.value in LENGTHS
        ]
        known = KNOWN_LENGTHS.get(node.name.value)
        if not lengths and not known and not _is_list(node):
            return 1
        longest = known or MAX_PER_PAGE
        asked = max(lengths, default=longest)
        return max(1, -(-min(asked, longest) // ITEMS_AT_ONE_COST))

    def _length(self, value: object) -> int:
        if isinstance(value, IntValueNode):
            # Python refuses to read endless digits; so many are too many anyway.
            return int(value.value) if len(value.value) <= len(str(MAX_PER_PAGE)) else MAX_PER_PAGE
        given = self._variables.get(value.name.value) if isinstance(value, VariableNode) else None
        return given if isinstance(given, int) else MAX_PER_PAGE


def _is_list(node: FieldNode) -> bool:
    chosen = node.selection_set.selections if node.selection_set else ()
    return any(
        isinstance(each, FieldNode) and each.name.value in PARTS_OF_A_LIST for each in chosen
    )
