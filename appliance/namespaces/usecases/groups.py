"""Makes, changes and removes groups."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from appliance.accounts.errors import AdminNeededError
from appliance.accounts.rules import User
from appliance.accounts.usecases import raise_generation
from appliance.audit.rules import Target
from appliance.audit.usecases import record
from appliance.namespaces import rules, tables
from appliance.namespaces.errors import PathTakenError
from appliance.namespaces.rules import (
    AccessLevel,
    GroupChange,
    Membership,
    Namespace,
    NewGroup,
)
from appliance.namespaces.usecases.finding import (
    check_owner,
    get_namespace,
    row_of,
    visible_namespace,
)
from appliance.namespaces.usecases.members import store_member
from appliance.storage.engine import Session
from appliance.storage.outbox import publish

TOPIC = "namespace"

# Told of a group before and after a change, so that what lies in it can follow or object.
Follow = Callable[[Session, Namespace, Namespace], None]


def create_group(session: Session, new: NewGroup, *, caller_user: User, now: datetime) -> Namespace:
    """Makes a group; who makes a root becomes its owner.

    Raises:
        AdminNeededError: only an admin makes roots.
        AccessLevelNeededError, NotFoundError: the caller does not own the group above.
        InvalidFieldsError: a field cannot be used.
        PathTakenError: another group is there.
    """
    rules.check_names(new.name, new.path, new.description)
    parent = _parent(session, new, caller_user, now=now)
    rules.check_place(parent)
    above = None if parent is None else parent.visibility
    rules.check_visibility(new.visibility, above=above, below=())
    full_path = rules.full_path(new.path, parent=parent)
    if tables.is_taken(session, full_path, besides=None):
        raise PathTakenError
    row = tables.add_namespace(session, new, full_path=full_path, parent=parent, now=now)
    made = tables.namespace_of(row)
    details = {"full_path": made.full_path, "visibility": made.visibility}
    announce(session, made, "created", user=caller_user, details=details, now=now)
    if parent is None:
        owner = Membership(
            user_id=caller_user.id, namespace_id=made.id, access_level=AccessLevel.OWNER
        )
        store_member(session, owner, caller_user=caller_user, now=now)
    return made


def change_group(
    session: Session,
    namespace: Namespace,
    change: GroupChange,
    *,
    follow: Follow,
    caller_user: User,
    now: datetime,
) -> Namespace:
    """Changes what `change` names; a new path moves everything below with it.

    Raises:
        AccessLevelNeededError: the caller does not own the group.
        InvalidFieldsError: a field cannot be used.
        PathTakenError: another group is there.
    """
    check_owner(session, caller_user, namespace, now=now)
    rules.check_names(change.name, change.path, change.description)
    row = row_of(session, namespace.id)
    if change.visibility is not None:
        _check_visibility(session, row, change.visibility)
    if change.path is not None and change.path != row.path:
        _rename(session, row, change.path, now=now)
    for field in ("name", "description", "visibility"):
        setattr(row, field, getattr(change, field) or getattr(row, field))
    if change.description is not None:
        row.description = change.description
    row.updated_at = now
    session.flush()
    after = tables.namespace_of(row)
    follow(session, namespace, after)
    fields = ("name", "full_path", "description", "visibility")
    details = {
        field: getattr(after, field)
        for field in fields
        if getattr(after, field) != getattr(namespace, field)
    }
    announce(session, after, "changed", user=caller_user, details=details, now=now)
    return after


def delete_group(
    session: Session, namespace: Namespace, *, caller_user: User, now: datetime
) -> None:
    """Removes a group in which nothing is left.

    Raises:
        AccessLevelNeededError: the caller does not own the group.
        NamespaceNotEmptyError: it still has subgroups, projects or purchases.
    """
    check_owner(session, caller_user, namespace, now=now)
    touched = tables.direct_members(session, [namespace.id])
    tables.delete_namespace(session, row_of(session, namespace.id))
    raise_generation(session, touched, now=now)
    details = {"full_path": namespace.full_path}
    announce(session, namespace, "deleted", user=caller_user, details=details, now=now)


def _parent(session: Session, new: NewGroup, user: User, *, now: datetime) -> Namespace | None:
    if new.parent_id is None:
        if not user.is_admin:
            raise AdminNeededError
        return None
    parent = visible_namespace(session, user, new.parent_id, now=now)
    check_owner(session, user, parent, now=now)
    return parent


def _check_visibility(
    session: Session, row: tables.NamespaceRow, visibility: rules.Visibility
) -> None:
    above = None if row.parent_id is None else get_namespace(session, row.parent_id).visibility
    below = tables.visibilities_below(session, row)
    rules.check_visibility(visibility, above=above, below=below)


def _rename(session: Session, row: tables.NamespaceRow, path: str, *, now: datetime) -> None:
    parent = None if row.parent_id is None else get_namespace(session, row.parent_id)
    full_path = rules.full_path(path, parent=parent)
    check_free(session, row, full_path)
    row.path = path
    tables.rename(session, row, full_path, now=now)


def check_free(session: Session, row: tables.NamespaceRow, full_path: str) -> None:
    """Passes when a group, with all that lies below it, may go by that full path.

    Raises:
        PathTakenError: another group is there.
        InvalidFieldsError: something below would have too long an address.
    """
    if tables.is_taken(session, full_path, besides=row.id):
        raise PathTakenError
    grows_by = len(full_path) - len(row.full_path)
    rules.check_full_path(tables.extent(session, row).full_path_chars + grows_by)


def announce(
    session: Session,
    namespace: Namespace,
    change: str,
    *,
    user: User,
    details: Mapping[str, Any],
    now: datetime,
) -> None:
    """Tells the gateways and the audit of a change."""
    publish(session, TOPIC, {"id": namespace.id, "change": change}, now=now)
    target = Target(kind="group", id=str(namespace.id))
    record(session, f"group_{change}", actor=user.actor, target=target, details=details, now=now)
