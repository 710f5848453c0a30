"""How often releases changed the database's form, as the database itself remembers it."""

from datetime import datetime

from sqlalchemy import Column, Connection, Integer, func, inspect, select
from sqlmodel import Field, col, insert

from appliance.errors import ApplianceError
from appliance.storage.engine import Row


class DatabaseTooNewError(ApplianceError):
    """The database has the form of a release that is more than one ahead of this one."""

    code = "database_too_new"

    def __init__(self, found: int, known: int) -> None:
        super().__init__(
            f"This database has form {found}; this release knows form {known} and can work with "
            f"form {known + 1} at most. Install the release that it was last used with, or a newer "
            "one. Nothing was changed."
        )


class SchemaGenerationRow(Row, table=True):
    """One form that the database has had, and the release that brought it there."""

    __tablename__ = "schema_generations"

    generation: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    release: str
    at: datetime


def generation_of(connection: Connection) -> int | None:
    """The newest form that the database was brought to; None for one from before it was noted."""
    if not inspect(connection).has_table(SchemaGenerationRow.__tablename__):
        return None
    return connection.execute(select(func.max(col(SchemaGenerationRow.generation)))).scalar()


def note_generation(
    connection: Connection, generation: int, *, release: str, now: datetime
) -> None:
    """Notes that the database has that form now; what is noted already stays as it is."""
    known = select(col(SchemaGenerationRow.release)).where(
        col(SchemaGenerationRow.generation) == generation
    )
    if connection.execute(known).first() is None:
        values = {"generation": generation, "release": release, "at": now}
        connection.execute(insert(SchemaGenerationRow).values(values))
