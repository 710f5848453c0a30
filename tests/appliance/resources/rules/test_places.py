import pytest

from appliance.namespaces.errors import AccessLevelNeededError
from appliance.namespaces.rules import AccessLevel
from tests.appliance.resources.builders import a_place


@pytest.mark.parametrize(
    ("level", "reaches"),
    [
        (None, False),
        (AccessLevel.GUEST, False),
        (AccessLevel.REPORTER, True),
        (AccessLevel.OWNER, True),
    ],
)
def test_a_role_reaches_to_what_lower_ones_reach_to(
    level: AccessLevel | None, *, reaches: bool
) -> None:
    assert a_place(level=level).reaches(AccessLevel.REPORTER) is reaches


def test_authors_may_do_what_else_takes_a_role() -> None:
    place = a_place(level=None)
    place.check_author_or(AccessLevel.REPORTER, author_id=place.user.id)
    for author_id in (place.user.id + 1, None):
        with pytest.raises(AccessLevelNeededError, match="reporter"):
            place.check_author_or(AccessLevel.REPORTER, author_id=author_id)
    a_place(level=AccessLevel.REPORTER).check_author_or(AccessLevel.REPORTER, author_id=None)
