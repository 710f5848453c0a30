"""The laboratory, and a desk in it where questions are asked."""

import pytest

from appliance.storage.engine import Db
from tests.appliance.ai_actions.usecases.chat.builders import Desk, a_desk


@pytest.fixture
def desk(db: Db) -> Desk:
    return a_desk(db)
