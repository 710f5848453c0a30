import pytest

from gateway.contract.catalog import load_catalog
from gateway.prompts.agent.tools import described, load_tools, offered_tools

ALL = frozenset(each.unit_primitive for each in load_tools().values())


def test_every_tool_is_opened_by_a_scope_of_the_catalogue() -> None:
    assert load_catalog().unit_primitives.keys() >= ALL
    assert {kind for each in load_tools().values() for kind in each.kinds} == {"casemate", "gitlab"}


@pytest.mark.parametrize(
    ("kind", "others"),
    [
        ("casemate", {"project_reader"}),
        ("gitlab", {"epic_reader", "commit_reader", "work_item_reader"}),
        ("user", {"epic_reader", "commit_reader", "work_item_reader"}),
    ],
)
def test_only_tools_that_the_issuer_can_run_are_offered(kind: str, others: set[str]) -> None:
    both = {"issue_reader", "merge_request_reader", "build_reader", "gitlab_documentation"}
    assert set(offered_tools(ALL, kind)) == both | others


@pytest.mark.parametrize("missing", sorted(ALL))
def test_without_its_scope_a_tool_is_not_offered(missing: str) -> None:
    for kind in ("casemate", "gitlab"):
        offered = offered_tools(ALL - {missing}, kind)
        assert all(load_tools()[each].unit_primitive != missing for each in offered)
    assert offered_tools((), "casemate") == ()


def test_a_model_is_told_what_each_tool_does_and_takes() -> None:
    lines = described(["issue_reader", "nobody_knows", "build_reader"]).splitlines()
    assert [line.split(":")[0] for line in lines] == ["- issue_reader", "- build_reader"]
    assert all(" Input: " in line for line in lines)
