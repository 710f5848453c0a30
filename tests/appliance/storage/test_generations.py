from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, text

from appliance.storage.engine import database_url
from appliance.storage.generations import generation_of, note_generation
from appliance.storage.migrations import SCHEMA_GENERATION, migrate
from appliance.storage.rehearsal import connected
from tests.instance_builders import NOW


@pytest.fixture
def connection(migrated_url: str) -> Iterator[Connection]:
    with connected(database_url(migrated_url)) as opened:
        yield opened


def test_the_newest_generation_counts(connection: Connection) -> None:
    note_generation(connection, SCHEMA_GENERATION + 3, release="9", now=NOW)
    assert generation_of(connection) == SCHEMA_GENERATION + 3


def test_what_is_noted_stays_as_it_is(connection: Connection) -> None:
    note_generation(connection, SCHEMA_GENERATION, release="another", now=NOW)
    query = text("SELECT count(*) FROM schema_generations WHERE release = 'another'")
    assert connection.execute(query).scalar() == 0


def test_an_empty_database_has_none(empty_url: str) -> None:
    with connected(database_url(empty_url)) as opened:
        assert generation_of(opened) is None
    migrate(database_url(empty_url))
    with connected(database_url(empty_url)) as opened:
        assert generation_of(opened) == SCHEMA_GENERATION
