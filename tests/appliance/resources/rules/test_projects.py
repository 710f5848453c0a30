import pytest

from appliance.errors import InvalidFieldsError
from appliance.resources.rules import Description, complete, path_of


def test_name_and_path_stand_in_for_each_other() -> None:
    assert complete(Description(name="My Test!"), namespace_id=1).path == "my-test"
    assert complete(Description(path="test"), namespace_id=1).name == "test"


def test_a_new_project_is_private_and_open_to_ai() -> None:
    new = complete(Description(name="n"), namespace_id=1)
    assert (new.visibility, new.duo_features_enabled, new.description) == ("private", True, "")
    said = Description(name="n", duo_features_enabled=False, visibility="public", description="d")
    assert not complete(said, namespace_id=1).duo_features_enabled


@pytest.mark.parametrize(
    ("description", "namespace_id", "field"),
    [(Description(name="n"), None, "namespace_id"), (Description(), 1, "name")],
)
def test_what_a_project_cannot_be_without_is_asked_for(
    description: Description, namespace_id: int | None, field: str
) -> None:
    with pytest.raises(InvalidFieldsError, match=f"{field}: is required"):
        complete(description, namespace_id=namespace_id)


@pytest.mark.parametrize(
    ("name", "path"), [("A  b", "a-b"), ("-x.", "x"), ("Ünï", "n"), ("名", ""), ("a_b.c", "a_b.c")]
)
def test_a_name_suggests_a_path(name: str, path: str) -> None:
    assert path_of(name) == path
