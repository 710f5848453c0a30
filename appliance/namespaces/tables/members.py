"""Finds who belongs to a group."""

from collections.abc import Collection, Sequence
from datetime import date

from sqlalchemy import func
from sqlmodel import col, select

from appliance.namespaces.rules import AccessLevel, MemberFilter, Membership, Namespace
from appliance.namespaces.tables.rows import (
    DefaultNamespaceRow,
    MemberRow,
    NamespaceRow,
    chain_text,
    holds,
    is_within,
    membership_of,
)
from appliance.storage.engine import MAX_ID, Session
from appliance.storage.paging import Page, Slice, cut


def memberships(
    session: Session, user_id: int, namespace_ids: Collection[int]
) -> Sequence[Membership]:
    """What the user is in these groups, ended memberships too."""
    query = select(MemberRow).where(MemberRow.user_id == user_id)
    query = query.where(col(MemberRow.namespace_id).in_(namespace_ids))
    return [membership_of(row) for row in session.exec(query).all()]


def member_row(session: Session, namespace_id: int, user_id: int) -> MemberRow | None:
    """The row of a direct membership, for changing it."""
    if not 0 < user_id <= MAX_ID:
        return None
    query = select(MemberRow).where(MemberRow.namespace_id == namespace_id)
    return session.exec(query.where(MemberRow.user_id == user_id)).first()


def member_page(
    session: Session,
    page: Page,
    *,
    namespace_ids: Collection[int],
    wanted: MemberFilter,
    today: date,
) -> Slice[Membership]:
    """A page of who holds a role in any of the groups, with the highest they have, by user id."""
    best_first = (col(MemberRow.access_level).desc(), col(MemberRow.id).desc())
    place = func.row_number().over(partition_by=col(MemberRow.user_id), order_by=best_first)
    ranked = (
        select(MemberRow.id, place.label("place"))
        .where(col(MemberRow.namespace_id).in_(namespace_ids), holds(today))
        .subquery()
    )
    query = select(MemberRow).join(ranked, col(MemberRow.id) == ranked.c.id)
    query = query.where(ranked.c.place == 1)
    if wanted.among is not None:
        query = query.where(col(MemberRow.user_id).in_(wanted.among))
    if wanted.without:
        query = query.where(col(MemberRow.user_id).not_in(wanted.without))
    rows = cut(session, query.order_by(col(MemberRow.user_id)), page)
    return Slice(items=[membership_of(row) for row in rows.items], page=page, total=rows.total)


def lasting_owners(session: Session, namespace_id: int) -> Collection[int]:
    """The users who own the group itself without an end."""
    query = select(MemberRow.user_id).where(MemberRow.namespace_id == namespace_id)
    query = query.where(MemberRow.access_level == AccessLevel.OWNER)
    return session.exec(query.where(col(MemberRow.expires_on).is_(None))).all()


def direct_members(session: Session, namespace_ids: Collection[int]) -> Collection[int]:
    """The users who are members of these groups themselves, ended memberships too."""
    query = select(MemberRow.user_id).where(col(MemberRow.namespace_id).in_(namespace_ids))
    return session.exec(query.distinct()).all()


def root_memberships(session: Session, user_id: int, *, today: date) -> Sequence[NamespaceRow]:
    """The root groups that the user is a member of."""
    query = (
        select(NamespaceRow)
        .join(MemberRow, col(MemberRow.namespace_id) == col(NamespaceRow.id))
        .where(MemberRow.user_id == user_id, holds(today))
        .where(col(NamespaceRow.parent_id).is_(None))
    )
    return session.exec(query.order_by(col(NamespaceRow.id)).limit(2)).all()


def default_row(session: Session, user_id: int) -> DefaultNamespaceRow | None:
    """The row of the group that the user chose."""
    return session.get(DefaultNamespaceRow, user_id)


def member_rows_within(session: Session, namespace: Namespace, user_id: int) -> Sequence[MemberRow]:
    """The rows of a user's direct memberships in a group and in those below it, for changing."""
    query = select(MemberRow).join(NamespaceRow, col(NamespaceRow.id) == MemberRow.namespace_id)
    query = query.where(MemberRow.user_id == user_id, is_within(chain_text(namespace.ancestry)))
    return session.exec(query.order_by(col(MemberRow.namespace_id))).all()
