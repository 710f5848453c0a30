from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, text

from appliance.storage import merging
from appliance.storage.engine import database_url
from appliance.storage.rehearsal import connected
from tests.appliance.conftest import FilledHome


@pytest.fixture
def connection(filled: FilledHome) -> Iterator[Connection]:
    with connected(database_url(filled.url)) as opened:
        yield opened


def test_a_dead_key_that_the_snapshot_lacks_is_added(connection: Connection) -> None:
    live = merging.record_of(connection)
    columns = connection.execute(text("SELECT * FROM signing_keys")).mappings().one()
    ended = datetime(2026, 1, 1, tzinfo=UTC)
    dead = {**columns, "kid": "lost", "state": "dead", "ended_at": ended, "created_at": ended}
    dead["signs_since"] = None
    merging.merge(connection, replace(live, dead_keys=(dead,)))
    states = connection.execute(text("SELECT kid, state FROM signing_keys")).all()
    assert ("lost", "dead") in [tuple(each) for each in states]


def test_the_counts_of_before_are_not_gone_below(connection: Connection) -> None:
    live = merging.record_of(connection)
    later = datetime(2040, 1, 1, tzinfo=UTC)
    merging.merge(connection, replace(live, era=live.era + 5, latest_time=later))
    found = merging.record_of(connection)
    assert found.era == live.era + 5
    assert found.latest_time in {None, later}


def test_a_log_goes_on_from_its_own_entries_alone(connection: Connection) -> None:
    sequence, digest = merging.record_of(connection).audit_head
    assert merging.extends(connection, (sequence, digest))
    assert merging.extends(connection, (0, ""))
    assert not merging.extends(connection, (sequence, "0" * 64))
    assert not merging.extends(connection, (sequence + 1, digest))


def test_an_empty_instance_has_no_epoch(connection: Connection) -> None:
    assert merging.begin_epoch(connection, above=7) == 8
    connection.execute(text("DELETE FROM instance_identity"))
    assert merging.begin_epoch(connection, above=7) is None
