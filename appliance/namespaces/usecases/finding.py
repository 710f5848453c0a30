"""Finds groups, and what a user is in them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from appliance.accounts.rules import User
from appliance.errors import NotFoundError
from appliance.namespaces import rules, tables
from appliance.namespaces.rules import AccessLevel, GroupFilter, Namespace
from appliance.storage.engine import Session
from appliance.storage.paging import Page, Slice


def get_namespace(session: Session, namespace_id: int) -> Namespace:
    """One group, whoever asks.

    Raises:
        NotFoundError: no such group.
    """
    return tables.namespace_of(row_of(session, namespace_id))


def namespaces_among(session: Session, namespace_ids: Collection[int]) -> Mapping[int, Namespace]:
    """Those of the groups that there are, by id and whoever asks."""
    return tables.namespaces_among(session, namespace_ids)


def parents_among(
    session: Session, namespace_ids: Collection[int] | None
) -> Mapping[int, int | None]:
    """The group right above each of the groups that there are of these (None: of all)."""
    return tables.parents_among(session, namespace_ids)


def find_namespace(session: Session, full_path: str) -> Namespace | None:
    """The group with that full path, whatever its case and whoever asks."""
    row = tables.namespace_row_at(session, full_path)
    return None if row is None else tables.namespace_of(row)


def access_level(
    session: Session, user: User, namespace: Namespace, *, now: datetime
) -> AccessLevel | None:
    """The user's highest role over the group and those above it; an admin's is OWNER."""
    held = () if user.is_admin else tables.memberships(session, user.id, namespace.ancestry)
    return rules.effective_level(user, held, today=now.date())


def visible_namespace(
    session: Session, user: User, namespace_id: int, *, now: datetime
) -> Namespace:
    """One group as far as the user may know of it.

    Raises:
        NotFoundError: no such group, or not for this user.
    """
    return _checked(session, user, tables.namespace_row(session, namespace_id), now=now)


def named_namespace(session: Session, user: User, reference: str, *, now: datetime) -> Namespace:
    """The group that a client names by its number or full path, if the user may know of it.

    Raises:
        NotFoundError: no such group, or not for this user.
    """
    named = rules.parse_reference(reference)
    if isinstance(named, int):
        return visible_namespace(session, user, named, now=now)
    return _checked(session, user, tables.namespace_row_at(session, named), now=now)


def tree_ids(session: Session, namespace: Namespace) -> Sequence[int]:
    """The group's own id and those of all groups below it."""
    return tables.tree_ids(session, namespace)


def own_groups(
    session: Session, user: User, *, at_least: AccessLevel = AccessLevel.GUEST, now: datetime
) -> Collection[int] | None:
    """The groups in which the user has such a role; None for an admin, who has one in all."""
    if user.is_admin:
        return None
    return tables.groups_with_member(session, user.id, at_least=at_least, today=now.date())


def full_names(session: Session, namespaces: Collection[Namespace]) -> Mapping[int, str]:
    """For each group the names on the way to it, as people read them."""
    ids = {each for namespace in namespaces for each in namespace.ancestry}
    names = tables.names_of(session, ids)
    return {
        namespace.id: " / ".join(names[each] for each in namespace.ancestry)
        for namespace in namespaces
    }


def list_groups(
    session: Session, user: User, page: Page, *, wanted: GroupFilter, now: datetime
) -> Slice[Namespace]:
    """A page of the groups that the user may know of, by full path."""
    return tables.visible_page(session, user, page, wanted=wanted, today=now.date())


def row_of(session: Session, namespace_id: int) -> tables.NamespaceRow:
    """The group's row, for changing it.

    Raises:
        NotFoundError: no such group.
    """
    row = tables.namespace_row(session, namespace_id)
    if row is None:
        raise NotFoundError(what="Group")
    return row


def _checked(
    session: Session, user: User, row: tables.NamespaceRow | None, *, now: datetime
) -> Namespace:
    if row is None:
        raise NotFoundError(what="Group")
    namespace = tables.namespace_of(row)
    level = access_level(session, user, namespace, now=now)
    if not rules.is_visible(namespace.visibility, level):
        raise NotFoundError(what="Group")
    return namespace


def check_owner(session: Session, user: User, namespace: Namespace, *, now: datetime) -> None:
    """Passes when the user owns the group, or one above it.

    Raises:
        NotFoundError: the user may not know of it.
        AccessLevelNeededError: the user may not change it.
    """
    level = access_level(session, user, namespace, now=now)
    if not rules.is_visible(namespace.visibility, level):
        raise NotFoundError(what="Group")
    rules.check_level(level, AccessLevel.OWNER)
