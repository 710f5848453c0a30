from uuid import UUID

import pytest

from appliance.storage.engine import Db
from appliance.storage.identity import NotInitializedError, ensure_identity, read_identity
from tests.instance_builders import NOW

ONE, TWO = UUID(int=1), UUID(int=2)


def test_an_instance_is_named_once(db: Db) -> None:
    assert db.write_blocking(lambda session: ensure_identity(session, fresh_id=ONE, now=NOW))
    assert not db.write_blocking(lambda session: ensure_identity(session, fresh_id=TWO, now=NOW))
    identity = db.read_blocking(read_identity)
    assert (identity.instance_id, identity.feed_epoch) == (str(ONE), 1)


def test_an_empty_instance_says_what_to_do(db: Db) -> None:
    with pytest.raises(NotInitializedError, match="init"):
        db.read_blocking(read_identity)
