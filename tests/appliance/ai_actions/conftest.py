"""A database with users who ask."""

from collections.abc import Callable

import pytest

from appliance.ai_actions.rules import Request
from appliance.storage.engine import Db
from tests.appliance.ai_actions.builders import add_users, an_accepted


@pytest.fixture
def users(db: Db) -> tuple[int, ...]:
    """The ids of three users."""
    return db.write_blocking(add_users)


@pytest.fixture
def accepted(db: Db, users: tuple[int, ...]) -> Callable[..., Request]:
    """Accepts a wish, of the first user unless it is said otherwise."""

    def accept(**wish: object) -> Request:
        return db.write_blocking(
            lambda session: an_accepted(session, **{"user_id": users[0], **wish})
        )

    return accept
