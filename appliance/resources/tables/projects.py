"""The rows of projects."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Column, ForeignKey, Integer, bindparam, func, literal, or_, update
from sqlmodel import Field, col, select

from appliance.namespaces.rules import Namespace, Visibility
from appliance.resources.rules import NewProject, Project, ProjectFilter
from appliance.storage.engine import MAX_ID, Row, Session
from appliance.storage.paging import Page, Slice, cut


def _counter() -> Any:
    return Column(Integer, nullable=False, server_default="0")


class ProjectRow(Row, table=True):
    """A project of a group; `full_path_key` is the folded full path, which makes paths unique."""

    __tablename__ = "projects"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012  # SQLAlchemy's own name

    id: int | None = Field(default=None, primary_key=True)
    namespace_id: int = Field(
        sa_column=Column(
            Integer, ForeignKey("namespaces.id", ondelete="RESTRICT"), nullable=False, index=True
        )
    )
    name: str
    path: str
    full_path: str
    full_path_key: str = Field(unique=True)
    description: str = ""
    visibility: str
    duo_features_enabled: bool = True
    # Of each kind that were ever made: no number is given twice.
    issues_made: int = Field(default=0, sa_column=_counter())
    merge_requests_made: int = Field(default=0, sa_column=_counter())
    created_at: datetime
    updated_at: datetime


def fold(path: str) -> str:
    """The form in which two full paths count as one."""
    return path.casefold()


def project_of(row: ProjectRow) -> Project:
    """The row as a value."""
    assert row.id is not None  # noqa: S101  # it comes from the database
    return Project(
        id=row.id,
        namespace_id=row.namespace_id,
        name=row.name,
        path=row.path,
        full_path=row.full_path,
        description=row.description,
        visibility=cast("Visibility", row.visibility),
        duo_features_enabled=row.duo_features_enabled,
        created_at=row.created_at,
    )


def project_row(session: Session, project_id: int) -> ProjectRow | None:
    """The project's row, for changing it."""
    return session.get(ProjectRow, project_id) if 0 < project_id <= MAX_ID else None


def project_row_at(session: Session, full_path: str) -> ProjectRow | None:
    """The row of the project with that full path, whatever its case."""
    if "\0" in full_path:  # which PostgreSQL takes in no text
        return None
    query = select(ProjectRow).where(ProjectRow.full_path_key == fold(full_path))
    return session.exec(query).first()


def projects_among(session: Session, ids: Collection[int]) -> Mapping[int, Project]:
    """Those of the projects that there are, by id."""
    query = select(ProjectRow).where(col(ProjectRow.id).in_(ids))
    return {each.id: each for each in map(project_of, session.exec(query).all())}


def add_project(session: Session, new: NewProject, *, full_path: str, now: datetime) -> ProjectRow:
    """Stores a project."""
    row = ProjectRow(
        namespace_id=new.namespace_id,
        name=new.name,
        path=new.path,
        full_path=full_path,
        full_path_key=fold(full_path),
        description=new.description,
        visibility=new.visibility,
        duo_features_enabled=new.duo_features_enabled,
        created_at=now,
        updated_at=now,
    )
    session.add(row)
    session.flush()
    return row


def move(session: Session, *, before: str, after: str) -> None:
    """Gives all projects below that full path of a group its new one."""
    session.flush()
    old, new = f"{fold(before)}/", f"{fold(after)}/"
    statement = update(ProjectRow).where(
        col(ProjectRow.full_path_key).startswith(old, autoescape=True)
    )
    statement = statement.values(
        full_path=literal(after).concat(func.substr(ProjectRow.full_path, len(before) + 1)),
        full_path_key=literal(new).concat(func.substr(ProjectRow.full_path_key, len(old) + 1)),
    )
    session.execute(statement.execution_options(synchronize_session=False))
    session.expire_all()


def visibilities(session: Session, namespace: Namespace) -> Sequence[Visibility]:
    """How visible the group's own projects are."""
    query = select(ProjectRow.visibility).where(ProjectRow.namespace_id == namespace.id).distinct()
    return cast("Sequence[Visibility]", session.exec(query).all())


def project_page(
    session: Session, page: Page, *, wanted: ProjectFilter, own_groups: Collection[int] | None
) -> Slice[Project]:
    """A page of the projects that are not private or lie in `own_groups` (None: all), newest first.

    That is GitLab's own order.
    """
    query = select(ProjectRow).order_by(col(ProjectRow.id).desc())
    if own_groups is not None:
        is_open = col(ProjectRow.visibility) != "private"
        query = query.where(or_(is_open, lies_in(own_groups, "own")))
    if wanted.namespace_ids is not None:
        query = query.where(lies_in(wanted.namespace_ids, "wanted"))
    if wanted.search is not None:
        text = fold(wanted.search.replace("\0", ""))
        query = query.where(
            or_(
                col(ProjectRow.full_path_key).contains(text, autoescape=True),
                func.lower(ProjectRow.name).contains(text, autoescape=True),
            )
        )
    rows = cut(session, query, page)
    return Slice(items=[project_of(row) for row in rows.items], page=page, total=rows.total)


def lies_in(namespace_ids: Collection[int], name: str) -> Any:
    """Whether a project lies in one of the groups; `name` is unlike others in the statement."""
    # Written out: a large tree of groups has more ids than a statement may have parameters.
    ids = sorted(namespace_ids)
    numbers: Any = bindparam(name, value=ids, expanding=True, literal_execute=True)
    return col(ProjectRow.namespace_id).in_(numbers)
