"""What chat's tools read, and for whom."""

from typing import Any

import pytest

from appliance.accounts.usecases import revoke_pat
from appliance.ai_actions.rules import Request
from appliance.ai_actions.rules.chat import observations
from appliance.ai_actions.rules.gateway.answers import ToolCall
from appliance.ai_actions.usecases.chat.tools import TOOLS, Observation, Toolbox, offered_tools
from appliance.audit.rules import SYSTEM
from appliance.resources.rules import Description
from appliance.resources.usecases import change_project
from gateway.contract.catalog import load_catalog
from tests.appliance.ai_actions.usecases.builders import CATALOG, PROJECT
from tests.appliance.ai_actions.usecases.chat.builders import (
    SECRET,
    TOLD,
    URL,
    Desk,
    the,
    without,
)
from tests.instance_builders import NOW


def use(desk: Desk, request: Request, tool: str, given: Any) -> Observation:
    call = ToolCall(tool=tool, tool_input=given)
    return desk.db.read_blocking(
        lambda session: Toolbox(catalog=CATALOG, told=TOLD).use(session, request, call, now=NOW)
    )


def read(desk: Desk, request: Request, tool: str, given: Any) -> str:
    return use(desk, request, tool, given).text


def test_every_tool_has_a_right_of_the_catalogue() -> None:
    assert {tool.unit_primitive for tool in TOOLS.values()} <= load_catalog().unit_primitives.keys()
    assert offered_tools({"ask_issue", "duo_chat"}) == ["issue_reader", "project_reader"]


@pytest.mark.parametrize(
    "given",
    ["", "this issue", "1", "#1", f"{PROJECT}#1", f"{URL}/{PROJECT}/-/issues/1", {"iid": 1}],
)
def test_an_issue_is_read_however_it_is_named(desk: Desk, given: Any) -> None:
    desk.lab.note("Issue", "Use ice.")
    request = desk.accept("Why?", resource=the(desk.lab, "Issue"))
    said = read(desk, request, "issue_reader", given)
    for part in (f"Issue {PROJECT}#1: Too hot", "It melts.", "@ada", "Use ice."):
        assert part in said
    assert SECRET not in said


def test_a_merge_request_is_read_with_its_changes(desk: Desk) -> None:
    desk.lab.note("MergeRequest", "Looks good.")
    request = desk.accept("Why?", resource=the(desk.lab, "MergeRequest"))
    for given in ("", "!1"):
        said = read(desk, request, "merge_request_reader", given)
        for part in ("!1: Colder", "colder into main", "-hot\n+cold", "Looks good."):
            assert part in said
        assert SECRET not in said


def test_a_job_is_read_with_its_log(desk: Desk) -> None:
    job = the(desk.lab, "Job")
    request = desk.accept("Why?", resource=job)
    for given in ("", str(job.id), f"{PROJECT}#{job.id}", f"{URL}/{PROJECT}/-/jobs/{job.id}"):
        assert "make: *** 1" in read(desk, request, "build_reader", given)
    elsewhere = read(desk, request, "build_reader", f"lab/sibling#{job.id}")
    assert elsewhere == observations.NOT_FOUND


def test_a_project_is_read(desk: Desk) -> None:
    request = desk.accept("Why?", project_id=desk.lab.found["Project"].id)
    for given in ("", PROJECT, f"{URL}/{PROJECT}"):
        assert f"Project {PROJECT}: Engine" in read(desk, request, "project_reader", given)


def test_of_a_project_the_newest_that_the_asker_sees_is_listed(desk: Desk) -> None:
    project = desk.lab.found["Project"].id
    said = read(desk, desk.accept("Why?", project_id=project), "project_reader", "")
    assert "Issue #1 (opened): Too hot" in said
    assert "Merge request !1 (opened): Colder" in said
    assert SECRET not in said
    of_ada = read(desk, desk.accept("Why?", by="ada", project_id=project), "project_reader", "")
    assert f"Issue #2 (opened): {SECRET}-CONFIDENTIAL" in of_ada


def test_issues_are_not_listed_for_who_may_not_ask_about_them(desk: Desk) -> None:
    request = desk.accept("Why?", project_id=desk.lab.found["Project"].id)
    toolbox = Toolbox(catalog=without(CATALOG, "ask_issue"), told=TOLD)
    call = ToolCall(tool="project_reader", tool_input="")
    said = desk.db.read_blocking(lambda s: toolbox.use(s, request, call, now=NOW)).text
    assert "Issue #1" not in said
    assert "Merge request !1" in said


def test_who_may_read_what_is_confidential_reads_it(desk: Desk) -> None:
    request = desk.accept("Why?", by="ada", resource=the(desk.lab, "Issue"))
    assert f"{SECRET}-PLAN" in read(desk, request, "issue_reader", "#2")
    assert f"{SECRET}-INTERNAL" in read(desk, request, "issue_reader", "")


@pytest.mark.parametrize(
    ("tool", "given"),
    [
        ("issue_reader", "#2"),
        ("issue_reader", "#77"),
        ("issue_reader", "nonsense"),
        ("issue_reader", "lab/sibling#1"),
        ("issue_reader", "lab/off#1"),
        ("issue_reader", "vault/safe#1"),
        ("issue_reader", "plaza/square#1"),
        ("issue_reader", f"{URL}/vault/safe/-/issues/1"),
        ("merge_request_reader", ""),
        ("merge_request_reader", "vault/safe!1"),
        ("build_reader", "SafeJob"),
        ("build_reader", "SiblingJob"),
        ("project_reader", "vault/safe"),
        ("project_reader", "lab/sibling"),
        ("project_reader", "nowhere/at/all"),
    ],
)
def test_what_is_not_there_and_what_may_not_be_read_look_the_same(
    desk: Desk, tool: str, given: str
) -> None:
    named = desk.lab.found.get(given)
    request = desk.accept("Why?", resource=the(desk.lab, "Issue"))
    said = read(desk, request, tool, given if named is None else str(named.id))
    assert said == observations.NOT_FOUND


def test_a_question_in_a_group_reads_within_the_group(desk: Desk) -> None:
    request = desk.accept("Why?", root_namespace_id=desk.lab.found["Group"].id)
    assert f"{SECRET}-SIBLING" in read(desk, request, "issue_reader", "lab/sibling#1")
    assert "Too hot" in read(desk, request, "issue_reader", f"{PROJECT}#1")
    for given in ("lab/off#1", "vault/safe#1", "plaza/square#1", "#1", ""):
        assert read(desk, request, "issue_reader", given) == observations.NOT_FOUND


@pytest.mark.parametrize("change", ["flag", "token", "project"])
def test_what_the_asker_lost_is_not_read_any_more(desk: Desk, change: str) -> None:
    lab = desk.lab
    request = desk.accept("Why?", by="ada", resource=the(lab, "Issue"))
    match change:
        case "flag":
            lab.flag("ai_global_switch")
        case "token":
            lab.write(lambda s: revoke_pat(s, None, lab.pats["ada"], actor=SYSTEM, now=NOW))
        case _:
            off = Description(duo_features_enabled=False)
            project, root = lab.found["Project"], lab.users["root"]
            lab.write(lambda s: change_project(s, project, off, caller_user=root, now=NOW))
    assert read(desk, request, "issue_reader", "") == observations.NOT_FOUND


def test_the_documentation_is_searched_and_named(desk: Desk) -> None:
    request = desk.accept("How do I add a model?")
    found = use(desk, request, "gitlab_documentation", {"search": "add a self-hosted model"})
    assert "casemate models add" in found.text
    assert found.sources[0]["title"] == "Add a self-hosted model"
    nothing = use(desk, request, "gitlab_documentation", "football")
    assert (nothing.text, nothing.sources) == (observations.NO_DOCUMENTATION, ())


def test_a_tool_that_there_is_not_is_told(desk: Desk) -> None:
    request = desk.accept("Why?")
    assert read(desk, request, "issue_writer", "#1") == observations.NO_SUCH_TOOL
