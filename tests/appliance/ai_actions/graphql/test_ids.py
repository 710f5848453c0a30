import pytest

from appliance.ai_actions.graphql.ids import format_resource, parse_resource
from appliance.ai_actions.rules import ResourceKind, ResourceRef
from appliance.errors import NotFoundError
from appliance.fields.global_ids import GlobalIdInvalidError


@pytest.mark.parametrize(
    ("word", "kind", "again"),
    [
        ("Issue", "Issue", "Issue"),
        ("WorkItem", "Issue", "Issue"),
        ("MergeRequest", "MergeRequest", "MergeRequest"),
        ("Project", "Project", "Project"),
        ("Group", "Group", "Group"),
        ("Namespace", "Group", "Group"),
        ("Ci::Build", "Job", "Ci::Build"),
        ("Job", "Job", "Ci::Build"),
        ("Vulnerability", "Vulnerability", "Vulnerability"),
        ("User", "User", "User"),
    ],
)
def test_each_kind_has_its_words(word: str, kind: ResourceKind, again: str) -> None:
    found = parse_resource(f"gid://gitlab/{word}/7")
    assert found == ResourceRef(kind=kind, id=7)
    assert format_resource(found) == f"gid://gitlab/{again}/7"


@pytest.mark.parametrize("text", ["Epic/1", "Issue/0", "Issue/99999999999", "Issue/" + "9" * 64])
def test_what_cannot_be_here_is_not_found(text: str) -> None:
    with pytest.raises(NotFoundError):
        parse_resource(f"gid://gitlab/{text}")


@pytest.mark.parametrize(
    "text", ["", "7", 7, None, "gid://other/Issue/1", "gid://gitlab/Issue/x", "gid://gitlab/Issue"]
)
def test_what_is_no_global_id_is_refused_as_such(text: object) -> None:
    with pytest.raises(GlobalIdInvalidError):
        parse_resource(text)
