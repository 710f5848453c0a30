"""How issues and merge requests are found: both have a number in their project, and lists alike."""

import json
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from sqlalchemy import Text, and_, cast, func, or_, update
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from appliance.resources.rules import ItemFilter, Place, Sight
from appliance.resources.rules.places import SEES_CONFIDENTIAL
from appliance.resources.tables.issues import IssueRow
from appliance.resources.tables.merge_requests import MergeRequestRow
from appliance.resources.tables.projects import ProjectRow, fold, lies_in
from appliance.storage.engine import MAX_ID, Session
from appliance.storage.paging import Page, Slice, cut

ItemRow = TypeVar("ItemRow", IssueRow, MergeRequestRow)

NO_LABEL = "[]"
COUNTERS: Mapping[type[IssueRow | MergeRequestRow], Any] = {
    IssueRow: ProjectRow.issues_made,
    MergeRequestRow: ProjectRow.merge_requests_made,
}


def item_row(session: Session, kind: type[ItemRow], number: int) -> ItemRow | None:
    """The row with that id."""
    return session.get(kind, number) if 0 < number <= MAX_ID else None


def item_row_in(
    session: Session, kind: type[ItemRow], project_id: int, *, iid: int
) -> ItemRow | None:
    """The row with that number in a project."""
    if not 0 < iid <= MAX_ID:
        return None
    query = select(kind).where(kind.project_id == project_id, kind.iid == iid)
    return session.exec(query).first()


def take_iid(session: Session, kind: type[ItemRow], project_id: int) -> int:
    """The next number in a project, which no other has had.

    Of those who take one at the same time all but one lose the race and begin again.
    """
    counter = COUNTERS[kind]
    statement = update(ProjectRow).where(col(ProjectRow.id) == project_id)
    statement = statement.values({counter: counter + 1})
    taken = statement.returning(counter).execution_options(synchronize_session=False)
    return int(session.execute(taken).scalar_one())


def sight_at(place: Place) -> Sight:
    """What lists of things in a project that the user may know of can show them."""
    return Sight(
        user_id=place.user.id,
        groups=None,
        close_groups=None if place.reaches(SEES_CONFIDENTIAL) else (),
    )


def issue_rows(
    session: Session, page: Page, *, wanted: ItemFilter, sight: Sight
) -> Slice[IssueRow]:
    """A page of the issues that can be shown."""
    query = _listed(select(IssueRow), IssueRow, wanted, sight=sight)
    if wanted.is_confidential is not None:
        query = query.where(IssueRow.is_confidential == wanted.is_confidential)
    if sight.close_groups is not None:
        is_shown = ~col(IssueRow.is_confidential)
        is_own = col(IssueRow.author_id) == sight.user_id
        query = query.where(
            or_(is_shown, is_own, _is_in_groups(IssueRow, sight.close_groups, name="close"))
        )
    return cut(session, query, page)


def merge_request_rows(
    session: Session, page: Page, *, wanted: ItemFilter, sight: Sight
) -> Slice[MergeRequestRow]:
    """A page of the merge requests that can be shown."""
    row = MergeRequestRow
    query = _listed(select(row), row, wanted, sight=sight)
    if wanted.is_draft is not None:
        query = query.where(row.is_draft == wanted.is_draft)
    if wanted.source_branch is not None:
        query = query.where(row.source_branch == _plain(wanted.source_branch))
    if wanted.target_branch is not None:
        query = query.where(row.target_branch == _plain(wanted.target_branch))
    return cut(session, query, page)


def _listed(
    query: SelectOfScalar[ItemRow], row: type[ItemRow], wanted: ItemFilter, *, sight: Sight
) -> SelectOfScalar[ItemRow]:
    if wanted.project_id is not None:
        query = query.where(row.project_id == wanted.project_id)
    if sight.groups is not None:
        is_open = col(row.project_id).in_(
            select(ProjectRow.id).where(ProjectRow.visibility != "private")
        )
        query = query.where(or_(is_open, _is_in_groups(row, sight.groups, name="own")))
    for condition in _conditions(row, wanted):
        query = query.where(condition)
    order = wanted.order
    chosen: tuple[Any, ...] = (getattr(row, order.by), row.id)
    return query.order_by(*(each.desc() if order.is_descending else each for each in chosen))


def _conditions(row: type[ItemRow], wanted: ItemFilter) -> list[Any]:
    times = wanted.times
    conditions: list[Any | None] = [
        None if wanted.state is None else row.state == wanted.state,
        None if wanted.author_id is None else col(row.author_id).in_(_numbers([wanted.author_id])),
        None if wanted.iids is None else col(row.iid).in_(_numbers(wanted.iids)),
        None if times.created_after is None else row.created_at >= times.created_after,
        None if times.created_before is None else row.created_at <= times.created_before,
        None if times.updated_after is None else row.updated_at >= times.updated_after,
        None if times.updated_before is None else row.updated_at <= times.updated_before,
        _of_labels(row, wanted),
        _of_search(row, wanted),
    ]
    return [each for each in conditions if each is not None]


def _of_labels(row: type[ItemRow], wanted: ItemFilter) -> Any | None:
    text = cast(row.labels, Text)
    # Found as JSON writes it, quotes included, and by replacing: LIKE knows no case on SQLite only.
    conditions = [
        func.replace(text, json.dumps(_plain(label)), "") != text for label in wanted.labels
    ]
    if wanted.has_labels is not None:
        conditions.append(text != NO_LABEL if wanted.has_labels else text == NO_LABEL)
    return and_(*conditions) if conditions else None


def _of_search(row: type[ItemRow], wanted: ItemFilter) -> Any | None:
    if wanted.search is None:
        return None
    text = fold(_plain(wanted.search))
    columns = [getattr(row, name) for name in sorted(wanted.search_in)]
    return or_(*(func.lower(each).contains(text, autoescape=True) for each in columns))


def _plain(text: str) -> str:
    return text.replace("\0", "")  # which PostgreSQL takes in no text


def _numbers(numbers: Collection[int]) -> list[int]:
    return [each for each in numbers if 0 < each <= MAX_ID]


def _is_in_groups(row: type[ItemRow], groups: Collection[int], *, name: str) -> Any:
    return col(row.project_id).in_(select(ProjectRow.id).where(lies_in(groups, name)))
