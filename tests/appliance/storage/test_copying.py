from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy import Connection

from appliance.storage import copying
from appliance.storage.engine import database_url
from appliance.storage.rehearsal import connected
from tests.appliance.conftest import Databases, FilledHome


@pytest.fixture
def source(filled: FilledHome) -> Iterator[Connection]:
    with connected(database_url(filled.url)) as opened:
        yield opened


def test_numbers_are_raised_and_never_lowered(source: Connection) -> None:
    copying.raise_numbers(source, {"users": 70})
    copying.raise_numbers(source, {"users": 3, "personal_access_tokens": 40})
    used = copying.numbers_used(source)
    assert (used["users"], used["personal_access_tokens"]) == (70, 40)


def test_emptied_tables_take_all_rows_in_any_order(
    source: Connection, databases: Databases, migrated_template: str
) -> None:
    with databases.one(migrated_template) as url, connected(database_url(url)) as target:
        without = frozenset({"schema_generations"})
        with closing(target), copying.emptied(target, without=without):
            count = copying.copy_rows(source, target, without=without)
            again = copying.numbers_used(target)
    assert count > 10
    assert set(again) <= {table.name for table in copying.tables()}
