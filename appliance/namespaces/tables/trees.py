"""Reads and changes a group together with all that lies below it, in a few statements."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import func, literal, update
from sqlmodel import col, select

from appliance.namespaces.rules import Namespace, Visibility
from appliance.namespaces.tables.rows import (
    MemberRow,
    NamespaceRow,
    chain_text,
    fold,
    is_within,
)
from appliance.storage.engine import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How far a group reaches: the greatest depth in it, and its longest full path."""

    depth: int
    full_path_chars: int


def extent(session: Session, row: NamespaceRow) -> Extent:
    """How far the group reaches with all that lies below it."""
    query = select(func.max(NamespaceRow.depth), func.max(func.length(NamespaceRow.full_path)))
    depth, chars = session.exec(query.where(is_within(row.ancestry))).one()
    return Extent(depth=depth, full_path_chars=chars)


def rename(session: Session, row: NamespaceRow, full_path: str, *, now: datetime) -> None:
    """Gives a group, and with it all below, another full path."""
    _rewrite(session, row, _at(row.full_path, full_path), now=now)


def move(
    session: Session,
    row: NamespaceRow,
    *,
    parent: Namespace | None,
    full_path: str,
    now: datetime,
) -> None:
    """Puts a group, and with it all below, under another one; None: at the top."""
    assert row.id is not None  # noqa: S101  # it comes from the database
    above = () if parent is None else parent.ancestry
    chain = (*above, row.id)
    moved = {
        **_at(row.full_path, full_path),
        "ancestry": _continued(NamespaceRow.ancestry, row.ancestry, chain_text(chain)),
        "depth": NamespaceRow.depth + (len(chain) - row.depth),
        "root_id": chain[0],
    }
    _rewrite(session, row, moved, now=now)
    row.parent_id = None if parent is None else parent.id
    session.flush()


def _rewrite(session: Session, row: NamespaceRow, values: dict[str, Any], *, now: datetime) -> None:
    # No two rows meet in the middle of it: a path that begins with the other is that of a group
    # above, which has it already, or lies in the tree itself.
    session.flush()
    statement = update(NamespaceRow).where(is_within(row.ancestry))
    statement = statement.values(**values, updated_at=now)
    session.execute(statement.execution_options(synchronize_session=False))
    session.expire_all()


def _at(before: str, after: str) -> dict[str, Any]:
    return {
        "full_path": _continued(NamespaceRow.full_path, before, after),
        "full_path_key": _continued(NamespaceRow.full_path_key, fold(before), fold(after)),
    }


def _continued(column: Any, before: str, after: str) -> Any:
    return literal(after).concat(func.substr(column, len(before) + 1))


def visibilities_below(session: Session, row: NamespaceRow) -> Sequence[Visibility]:
    """How visible the groups below are, at any depth; each once."""
    query = select(NamespaceRow.visibility).where(is_within(row.ancestry))
    found = session.exec(query.where(NamespaceRow.id != row.id).distinct()).all()
    return cast("Sequence[Visibility]", found)


def tree_ids(session: Session, namespace: Namespace) -> Sequence[int]:
    """The group's own id and those of all below."""
    query = select(NamespaceRow.id).where(is_within(chain_text(namespace.ancestry)))
    return [each for each in session.exec(query.order_by(col(NamespaceRow.id))).all() if each]


def members_within(session: Session, namespace: Namespace) -> Collection[int]:
    """The users who are members of the group itself or of one below it."""
    query = select(MemberRow.user_id).distinct()
    query = query.join(NamespaceRow, col(NamespaceRow.id) == col(MemberRow.namespace_id))
    return session.exec(query.where(is_within(chain_text(namespace.ancestry)))).all()
