"""All rows of one database into another, of whichever kind, with constant memory."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice

from sqlalchemy import JSON, Connection, Table, bindparam, insert, inspect, select, text

from appliance.storage.engine import Row

BATCH_ROWS = 500
FOREIGN_KEYS = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE contype = 'f' AND connamespace = current_schema()::regnamespace
"""


def tables() -> tuple[Table, ...]:
    """Every table of this release, those before that others point to."""
    return tuple(Row.metadata.sorted_tables)


def copy_rows(source: Connection, target: Connection, *, without: frozenset[str]) -> int:
    """Adds all rows of `source` to the empty tables of `target`; returns how many.

    Both have this release's form. `target` does not look at foreign keys meanwhile.
    """
    return sum(
        _copy_table(source, target, table) for table in tables() if table.name not in without
    )


def _copy_table(source: Connection, target: Connection, table: Table) -> int:
    # A value of JSON that is missing stays missing, rather than becoming JSON's null.
    values = {
        column.name: bindparam(
            column.name,
            type_=JSON(none_as_null=True) if isinstance(column.type, JSON) else column.type,
        )
        for column in table.columns
    }
    statement = insert(table).values(values)
    count = 0
    found = source.execution_options(yield_per=BATCH_ROWS).execute(select(table))
    rows = iter(found.mappings())
    while batch := [dict(row) for row in islice(rows, BATCH_ROWS)]:
        target.execute(statement, batch)
        count += len(batch)
    return count


@contextmanager
def emptied(connection: Connection, *, without: frozenset[str]) -> Iterator[None]:
    """Empties the tables and looks at no foreign key until the block ends."""
    names = [table.name for table in tables() if table.name not in without]
    if connection.dialect.name == "sqlite":
        for name in reversed(names):
            connection.exec_driver_sql(f'DELETE FROM "{name}"')  # noqa: S608  # a table of ours
        yield
        return
    found = connection.exec_driver_sql(FOREIGN_KEYS).all()
    for table, name, _ in found:
        connection.exec_driver_sql(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
    quoted = ", ".join(f'"{name}"' for name in names)
    connection.exec_driver_sql(f"TRUNCATE {quoted}")
    yield
    for table, name, definition in found:
        connection.exec_driver_sql(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}')


def numbers_used(connection: Connection) -> dict[str, int]:
    """By table, the highest number that was ever handed out, also to rows that are gone."""
    if connection.dialect.name == "sqlite":
        if not inspect(connection).has_table("sqlite_sequence"):
            return {}
        rows = connection.exec_driver_sql("SELECT name, seq FROM sqlite_sequence").all()
        return {str(name): int(highest) for name, highest in rows}
    found = {}
    for table, sequence in _sequences(connection):
        query = text(f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}")  # noqa: S608  # a name from the database itself
        found[table] = int(connection.execute(query).scalar_one())
    return found


def raise_numbers(connection: Connection, used: Mapping[str, int]) -> None:
    """Sees to it that none of these numbers is handed out again; none is lowered."""
    now = numbers_used(connection)
    if connection.dialect.name == "sqlite":
        for table, highest in used.items():
            if highest > now.get(table, -1):
                _note_in_sqlite(connection, table, highest)
        return
    for table, sequence in _sequences(connection):
        column = _number_column(table)
        most = connection.exec_driver_sql(f'SELECT max("{column}") FROM "{table}"').scalar()  # noqa: S608  # a table of ours
        highest = max(int(most or 0), used.get(table, 0), now[table])
        if highest:
            statement = text("SELECT setval(cast(:sequence AS regclass), :highest)")
            connection.execute(statement, {"sequence": sequence, "highest": highest})


def _note_in_sqlite(connection: Connection, table: str, highest: int) -> None:
    values = {"table": table, "highest": highest}
    change = text("UPDATE sqlite_sequence SET seq = :highest WHERE name = :table")
    if connection.execute(change, values).rowcount == 0:
        new = text("INSERT INTO sqlite_sequence (name, seq) VALUES (:table, :highest)")
        connection.execute(new, values)


def _sequences(connection: Connection) -> list[tuple[str, str]]:
    query = text("SELECT pg_get_serial_sequence(quote_ident(:table), :column)")
    found = []
    for table in tables():
        if (column := _number_column(table.name)) is not None:
            asked = {"table": table.name, "column": column}
            if (sequence := connection.execute(query, asked).scalar()) is not None:
                found.append((table.name, str(sequence)))
    return found


def _number_column(table: str) -> str | None:
    column = Row.metadata.tables[table].autoincrement_column
    return None if column is None else column.name
