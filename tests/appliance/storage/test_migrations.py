from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from alembic import command
from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.pool import NullPool

import appliance.app
from appliance.storage.engine import Row, database_url
from appliance.storage.migrations import ForeignKeysBrokenError, alembic_config, migrate


@contextmanager
def _connection(url: str) -> Iterator[Connection]:
    engine = create_engine(database_url(url), poolclass=NullPool)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def _tables(url: str) -> set[str]:
    with _connection(url) as connection:
        return set(inspect(connection).get_table_names())


def test_the_migrations_and_the_tables_agree(migrated_url: str) -> None:
    assert appliance.app.create_app is not None  # it has imported every table
    with _connection(migrated_url) as connection:
        command.check(alembic_config(connection))


def test_a_database_is_brought_to_the_newest_form(empty_url: str) -> None:
    migrate(database_url(empty_url))
    assert set(Row.metadata.tables) <= _tables(empty_url)


def test_migrating_again_changes_nothing(migrated_url: str) -> None:
    before = _tables(migrated_url)
    migrate(database_url(migrated_url))
    assert _tables(migrated_url) == before


def test_starts_at_once_take_turns(empty_url: str) -> None:
    with ThreadPoolExecutor(3) as pool:
        for start in [pool.submit(migrate, database_url(empty_url)) for _ in range(3)]:
            start.result()
    assert "users" in _tables(empty_url)


def test_every_migration_can_be_taken_back(migrated_url: str) -> None:
    with _connection(migrated_url) as connection:
        command.downgrade(alembic_config(connection), "base")
        connection.commit()
    assert _tables(migrated_url) == {"alembic_version"}


def test_rows_that_point_to_nothing_stop_the_start(migrated_url: str) -> None:
    if not migrated_url.startswith("sqlite"):
        pytest.skip("PostgreSQL does not let such rows in.")
    with _connection(migrated_url) as connection:
        statement = "INSERT INTO used_assertions VALUES ('nobody', 'j', '2026-01-01')"
        connection.execute(text(statement))
        connection.commit()
    with pytest.raises(ForeignKeysBrokenError, match="used_assertions"):
        migrate(database_url(migrated_url))
