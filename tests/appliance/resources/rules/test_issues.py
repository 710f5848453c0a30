import pytest

from appliance.errors import InvalidFieldsError
from appliance.namespaces.rules import AccessLevel
from appliance.resources.rules.issues import IssueChange, check_issue, sees_issue
from tests.appliance.resources.builders import a_place, an_issue


@pytest.mark.parametrize(
    ("level", "author_id", "sees"),
    [
        (None, 8, False),
        (AccessLevel.GUEST, None, False),
        (None, 7, True),
        (AccessLevel.REPORTER, 8, True),
    ],
)
def test_a_confidential_issue_is_for_its_author_and_reporters(
    level: AccessLevel | None, author_id: int | None, *, sees: bool
) -> None:
    place = a_place(level=level)
    assert sees_issue(place, an_issue(is_confidential=True, author_id=author_id)) is sees
    assert sees_issue(place, an_issue(author_id=author_id))


def test_only_a_new_issue_needs_a_title() -> None:
    check_issue(IssueChange(), is_new=False, labels=[])
    with pytest.raises(InvalidFieldsError, match="title: is required"):
        check_issue(IssueChange(), is_new=True, labels=[])


def test_what_an_issue_says_is_in_no_log() -> None:
    assert "burns" not in repr(an_issue(title="It burns"))
