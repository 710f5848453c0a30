"""Who belongs to a group, and which group a user's tokens are for."""

from dataclasses import replace
from datetime import datetime

from appliance.accounts.rules import User
from appliance.accounts.usecases import get_user, raise_generation, users_among, users_like
from appliance.audit.rules import Target
from appliance.audit.usecases import record
from appliance.errors import NotFoundError
from appliance.namespaces import rules, tables
from appliance.namespaces.errors import LastOwnerError, MemberExistsError
from appliance.namespaces.rules import EVERY_MEMBER, Member, MemberFilter, Membership, Namespace
from appliance.namespaces.usecases.finding import (
    access_level,
    check_owner,
    get_namespace,
    visible_namespace,
)
from appliance.storage.engine import Session
from appliance.storage.outbox import publish
from appliance.storage.paging import Page, Slice

TOPIC = "member"


def list_members(
    session: Session,
    namespace: Namespace,
    page: Page,
    *,
    inherited: bool,
    now: datetime,
    wanted: MemberFilter = EVERY_MEMBER,
) -> Slice[Member]:
    """A page of a group's members, with those of the groups above if `inherited`, by user id."""
    ids = namespace.ancestry if inherited else (namespace.id,)
    if wanted.search is not None:
        found_by_name = frozenset(users_like(session, wanted.search))
        among = found_by_name if wanted.among is None else found_by_name & wanted.among
        wanted = replace(wanted, among=among)
    found = tables.member_page(session, page, namespace_ids=ids, wanted=wanted, today=now.date())
    users = users_among(session, [each.user_id for each in found.items])
    members = [Member(user=users[each.user_id], membership=each) for each in found.items]
    return Slice(items=members, page=page, total=found.total)


def get_member(
    session: Session, namespace: Namespace, user_id: int, *, inherited: bool, now: datetime
) -> Member:
    """One member of a group, with the highest role if `inherited`.

    Raises:
        NotFoundError: the user is none.
    """
    ids = namespace.ancestry if inherited else (namespace.id,)
    today = now.date()
    held = [
        each
        for each in tables.memberships(session, user_id, ids)
        if each.expires_on is None or today < each.expires_on
    ]
    if not held:
        raise NotFoundError(what="Member")
    highest = max(held, key=lambda each: each.access_level)
    return Member(user=get_user(session, user_id), membership=highest)


def add_member(
    session: Session, membership: Membership, *, caller_user: User, now: datetime
) -> Member:
    """Makes a user a member of a group.

    Raises:
        MemberExistsError: they are one already.
        AccessLevelNeededError, NotFoundError, InvalidFieldsError: as `set_member`.
    """
    namespace = get_namespace(session, membership.namespace_id)
    check_owner(session, caller_user, namespace, now=now)
    known = tables.member_row(session, membership.namespace_id, membership.user_id)
    if known is not None and (known.expires_on is None or now.date() < known.expires_on):
        raise MemberExistsError
    return set_member(session, membership, caller_user=caller_user, now=now)


def set_member(
    session: Session, membership: Membership, *, caller_user: User, now: datetime
) -> Member:
    """Gives a user a role in a group, in place of the one they have there.

    Raises:
        NotFoundError: no such group or user.
        AccessLevelNeededError: the caller does not own the group.
        InvalidFieldsError: it would end before it begins.
        LastOwnerError: a root group would be left without an owner.
    """
    namespace = get_namespace(session, membership.namespace_id)
    check_owner(session, caller_user, namespace, now=now)
    rules.check_expiry(membership.expires_on, today=now.date())
    user = get_user(session, membership.user_id)
    if not membership.is_lasting_owner():
        _check_another_owner(session, namespace, user.id)
    store_member(session, membership, caller_user=caller_user, now=now)
    return Member(user=user, membership=membership)


def remove_member(
    session: Session,
    namespace: Namespace,
    user_id: int,
    *,
    keeps_below: bool = False,
    caller_user: User,
    now: datetime,
) -> None:
    """Takes a user's own role in a group and in those below it; everybody may leave.

    With `keeps_below` only that in the group itself goes.

    Raises:
        NotFoundError: the user is no member of the group itself.
        AccessLevelNeededError: the caller neither owns the group nor is that user.
        LastOwnerError: a root group would be left without an owner.
    """
    if user_id != caller_user.id:
        check_owner(session, caller_user, namespace, now=now)
    own = tables.member_row(session, namespace.id, user_id)
    if own is None:
        raise NotFoundError(what="Member")
    _check_another_owner(session, namespace, user_id)
    rows = [own] if keeps_below else tables.member_rows_within(session, namespace, user_id)
    gone = [tables.membership_of(row) for row in rows]
    for row in rows:
        session.delete(row)
    session.flush()
    for membership in gone:
        _announce_member(session, membership, "removed", user=caller_user, now=now)


def default_namespace(session: Session, user: User, *, now: datetime) -> Namespace | None:
    """The group that a user's tokens are for when they name none.

    The one they chose, as long as they have a role in it; else the one root group that they are a
    member of.
    """
    chosen = tables.default_row(session, user.id)
    if chosen is not None:
        namespace = get_namespace(session, chosen.namespace_id)
        if access_level(session, user, namespace, now=now) is not None:
            return namespace
    roots = tables.root_memberships(session, user.id, today=now.date())
    return tables.namespace_of(roots[0]) if len(roots) == 1 else None


def set_default_namespace(
    session: Session, user: User, namespace_id: int | None, *, now: datetime
) -> None:
    """Chooses the group that the user's tokens are for when they name none; None chooses none.

    Raises:
        NotFoundError: no such group, or the user has no role in it.
    """
    row = tables.default_row(session, user.id)
    if namespace_id is None:
        if row is not None:
            session.delete(row)
            session.flush()
        return
    namespace = visible_namespace(session, user, namespace_id, now=now)
    if access_level(session, user, namespace, now=now) is None:
        raise NotFoundError(what="Group")
    session.merge(tables.DefaultNamespaceRow(user_id=user.id, namespace_id=namespace.id))
    session.flush()


def _check_another_owner(session: Session, namespace: Namespace, user_id: int) -> None:
    if namespace.parent_id is None:
        owners = tables.lasting_owners(session, namespace.id)
        if user_id in owners and len(owners) == 1:
            raise LastOwnerError


def store_member(
    session: Session, membership: Membership, *, caller_user: User, now: datetime
) -> None:
    """Writes a membership that has been checked."""
    row = tables.member_row(session, membership.namespace_id, membership.user_id)
    change = "added" if row is None else "changed"
    row = row or tables.MemberRow(
        namespace_id=membership.namespace_id,
        user_id=membership.user_id,
        access_level=0,
        created_at=now,
    )
    row.access_level = int(membership.access_level)
    row.expires_on = membership.expires_on
    session.add(row)
    session.flush()
    _announce_member(session, membership, change, user=caller_user, now=now)


def _announce_member(
    session: Session, membership: Membership, change: str, *, user: User, now: datetime
) -> None:
    # What a user is granted depends on where they belong.
    raise_generation(session, [membership.user_id], now=now)
    ids = {"namespace_id": membership.namespace_id, "user_id": membership.user_id}
    publish(session, TOPIC, {**ids, "change": change}, now=now)
    details = {
        **ids,
        "access_level": int(membership.access_level),
        "expires_at": membership.expires_on and membership.expires_on.isoformat(),
    }
    target = Target(kind="member", id=f"{membership.namespace_id}/{membership.user_id}")
    record(session, f"member_{change}", actor=user.actor, target=target, details=details, now=now)
