"""Moves groups, with all that lies in them."""

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from appliance.accounts.errors import AdminNeededError
from appliance.accounts.rules import User
from appliance.accounts.usecases import raise_generation
from appliance.audit.rules import Actor
from appliance.namespaces import rules, tables
from appliance.namespaces.errors import OwnsPurchasesError
from appliance.namespaces.rules import Namespace
from appliance.namespaces.usecases.finding import check_owner, row_of, visible_namespace
from appliance.namespaces.usecases.groups import Follow, announce, check_free
from appliance.storage.engine import Session


class Watch(Protocol):
    """Compares what counts in a group and below before and after what happens inside."""

    def __call__(
        self, session: Session, moved: Namespace, *, actor: Actor, now: datetime
    ) -> AbstractContextManager[None]:
        """What to put around the move."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the rooms above this one have to do with a move.

    `follow` is told of it like of any change; `owns_purchases` tells whether it must stay a root.
    """

    follow: Follow
    watch: Watch
    owns_purchases: Callable[[Session, Namespace], bool]


def move_group(
    session: Session,
    namespace: Namespace,
    parent_id: int | None,
    *,
    surroundings: Surroundings,
    caller_user: User,
    now: datetime,
) -> Namespace:
    """Puts a group under another one, or with None at the top, where only admins may.

    Raises:
        AdminNeededError, AccessLevelNeededError: the caller does not own both groups.
        NotFoundError: no such group, or not for the caller.
        InvalidFieldsError: it cannot lie there.
        OwnsPurchasesError: it must stay a root.
        PathTakenError: another group is there.
    """
    check_owner(session, caller_user, namespace, now=now)
    parent = _new_parent(session, caller_user, parent_id, now=now)
    row = row_of(session, namespace.id)
    levels = tables.extent(session, row).depth - namespace.depth + 1
    rules.check_move(namespace, parent, levels=levels)
    if parent is not None and surroundings.owns_purchases(session, namespace):
        raise OwnsPurchasesError
    full_path = rules.full_path(row.path, parent=parent)
    check_free(session, row, full_path)
    with surroundings.watch(session, namespace, actor=caller_user.actor, now=now):
        tables.move(session, row, parent=parent, full_path=full_path, now=now)
        moved = tables.namespace_of(row)
    surroundings.follow(session, namespace, moved)
    raise_generation(session, _concerned(session, namespace, moved), now=now)
    details = {
        "full_path": moved.full_path,
        "parent_id": moved.parent_id,
        "previous_full_path": namespace.full_path,
        "previous_parent_id": namespace.parent_id,
    }
    announce(session, moved, "moved", user=caller_user, details=details, now=now)
    return moved


def _new_parent(
    session: Session, user: User, parent_id: int | None, *, now: datetime
) -> Namespace | None:
    if parent_id is None:
        if not user.is_admin:
            raise AdminNeededError
        return None
    parent = visible_namespace(session, user, parent_id, now=now)
    check_owner(session, user, parent, now=now)
    return parent


def _concerned(session: Session, before: Namespace, after: Namespace) -> Collection[int]:
    shift = rules.shift(before, after)
    found = set(tables.direct_members(session, shift.left | shift.joined))
    if shift.is_to_another_tree:
        # They keep their roles, but what they are granted follows from the root group.
        found.update(tables.members_within(session, after))
    return found
