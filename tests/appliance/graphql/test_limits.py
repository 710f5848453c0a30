from typing import Any

import pytest
from graphql import GraphQLSyntaxError, OperationType, get_introspection_query, parse

from appliance.graphql.errors import (
    OperationUnknownError,
    QueryTooLargeError,
    QueryTooNestedError,
)
from appliance.graphql.limits import (
    MAX_ALIASES,
    MAX_COST,
    MAX_DEPTH,
    MAX_TOKENS,
    Measures,
    measure,
    read_operation,
)


def measured(query: str, **variables: Any) -> Measures:
    return measure(parse(query), variables)


def read(query: str, name: str | None = None) -> OperationType:
    return read_operation(query, name=name, variables={}).operation


def nested(levels: int) -> str:
    return "{ a " * levels + "}" * levels


def test_an_operation_is_read_by_its_name() -> None:
    query = "query A { a } mutation B { b }"
    assert read(query, "A") is OperationType.QUERY
    assert read(query, "B") is OperationType.MUTATION
    assert read("{ a }") is OperationType.QUERY


@pytest.mark.parametrize(
    ("query", "name"), [("query A { a }", "B"), ("query A { a } query B { b }", None)]
)
def test_an_operation_that_is_not_there_is_refused(query: str, name: str | None) -> None:
    with pytest.raises(OperationUnknownError):
        read(query, name)


def test_as_many_levels_as_are_answered_and_one_more() -> None:
    assert read(nested(MAX_DEPTH)) is OperationType.QUERY
    with pytest.raises(QueryTooLargeError, match="depth of 13"):
        read(nested(MAX_DEPTH + 1))


def test_fragments_add_their_levels() -> None:
    query = "{ a { ...F ... on T { b { c } } } } fragment F on T { b { c { d } } }"
    assert measured(query).depth == 4


def test_as_many_aliases_as_are_answered_and_one_more() -> None:
    def aliased(number: int) -> str:
        return "{ " + " ".join(f"a{n}: a" for n in range(number)) + " }"

    assert read(aliased(MAX_ALIASES)) is OperationType.QUERY
    with pytest.raises(QueryTooLargeError, match="aliases of 21"):
        read(aliased(MAX_ALIASES + 1))


def test_as_many_tokens_as_are_read_and_no_more() -> None:
    # Every name is a token, and so are both braces and the two ends.
    fields = "a " * (MAX_TOKENS + 1)
    with pytest.raises(GraphQLSyntaxError, match=f"{MAX_TOKENS} tokens"):
        read(f"{{ {fields} }}")


def test_all_that_is_asked_for_has_a_cost() -> None:
    assert read("{ " + "a " * MAX_COST + "}") is OperationType.QUERY
    with pytest.raises(QueryTooLargeError, match=f"cost of {MAX_COST + 1}"):
        read("{ " + "a " * (MAX_COST + 1) + "}")


@pytest.mark.parametrize(
    ("length", "cost"),
    [
        ("", 21),
        ("(first: 0)", 3),
        ("(first: 10)", 3),
        ("(first: 11)", 5),
        ("(last: 50)", 11),
        ("(first: 100)", 21),
        ("(first: 100000000000000000000000)", 21),
        ("(first: $n)", 7),
        ("(first: $unknown)", 21),
        ('(first: "x")', 21),
        ("(after: 3)", 21),
    ],
)
def test_what_lies_in_a_list_costs_by_its_length(length: str, cost: int) -> None:
    query = f"query ($n: Int) {{ list{length} {{ nodes {{ id }} }} }}"
    assert measured(query, n=30).cost == cost


@pytest.mark.parametrize(
    ("query", "cost"),
    [
        ("{ aiErrorCodes { code } }", 1 + 3),
        ('{ aiSlashCommands(url: "/") { name } }', 1 + 1),
        ("subscription { aiCompletionResponse { content } }", 1 + 1),
        ("{ aiFeatureSettings { nodes { feature } } }", 1 + 2 * 2),
        ("{ aiFeatureSettings(first: 100) { nodes { feature } } }", 1 + 2 * 2),
        ("{ aiFeatureSettings(first: 3) { nodes { feature } } }", 1 + 2),
        # A plain list, with nothing in the query that tells.
        ("{ aiFeatureSettings { feature } }", 1 + 2),
        ("{ selectableModels { ref name } }", 1 + 10 * 2),
    ],
)
def test_lists_that_are_known_to_be_so_long_cost_that(query: str, cost: int) -> None:
    assert measured(query).cost == cost


def test_what_is_no_list_costs_what_it_holds() -> None:
    assert measured("{ a { b { c } } d }").cost == 4


def test_what_lies_behind_fragments_costs_as_often_as_it_is_used() -> None:
    assert measured("{ ...F a { ...F } } fragment F on T { b c }").cost == 5
    assert measured("{ ...None }").cost == 0


def test_fragments_that_double_are_measured_in_no_time() -> None:
    last = 120
    doubling = "".join(f"fragment f{n} on T {{ ...f{n + 1} ...f{n + 1} }}" for n in range(last))
    with pytest.raises(QueryTooLargeError, match="cost"):
        read("{ ...f0 } " + doubling + f"fragment f{last} on T {{ a }}")


def test_a_fragment_within_itself_ends() -> None:
    query = "{ ...A } fragment A on T { a ...B } fragment B on T { b ...A }"
    assert measured(query).cost == 2


def test_levels_beyond_what_can_be_walked_are_refused() -> None:
    many = "".join(f"fragment f{n} on T {'{ a ' * 140} ...f{n + 1} {'}' * 140}" for n in range(4))
    with pytest.raises(QueryTooNestedError):
        read("{ ...f0 } " + many + "fragment f4 on T { a }")


def test_what_tools_ask_of_the_schema_is_answered() -> None:
    query = get_introspection_query(
        specified_by_url=True,
        directive_is_repeatable=True,
        schema_description=True,
        input_value_deprecation=True,
    )
    assert read(query) is OperationType.QUERY
