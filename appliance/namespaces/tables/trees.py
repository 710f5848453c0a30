"""Reads and changes a group together with all that lies below it."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from appliance.namespaces.rules import Namespace
from appliance.namespaces.tables.rows import NamespaceRow, fold, namespace_of
from appliance.storage.engine import Session


def rename(session: Session, row: NamespaceRow, full_path: str, *, now: datetime) -> None:
    """Gives a group, and with it all below, another full path."""
    old = row.full_path
    for each in session.exec(_below(row)).all():
        each.full_path = full_path + each.full_path[len(old) :]
        each.full_path_key = fold(each.full_path)
        each.updated_at = now
    row.full_path, row.full_path_key = full_path, fold(full_path)
    session.flush()


def below(session: Session, row: NamespaceRow) -> Sequence[Namespace]:
    """Every group below, at any depth."""
    return [namespace_of(each) for each in session.exec(_below(row)).all()]


def _below(row: NamespaceRow) -> SelectOfScalar[NamespaceRow]:
    query = select(NamespaceRow).where(col(NamespaceRow.ancestry).startswith(row.ancestry))
    return query.where(NamespaceRow.id != row.id).order_by(col(NamespaceRow.id))


def tree_ids(session: Session, namespace: Namespace) -> Sequence[int]:
    """The group's own id and those of all below."""
    chain = f"/{'/'.join(map(str, namespace.ancestry))}/"
    query = select(NamespaceRow.id).where(col(NamespaceRow.ancestry).startswith(chain))
    return [each for each in session.exec(query.order_by(col(NamespaceRow.id))).all() if each]
