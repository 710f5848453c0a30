"""Groups and users for tests; a test states only what matters to it."""

from datetime import date
from typing import Any

from appliance.accounts.rules import Profile, User
from appliance.accounts.usecases import create_user
from appliance.audit.rules import SYSTEM
from appliance.namespaces.rules import AccessLevel, Membership, Namespace, NewGroup
from appliance.namespaces.usecases import create_group, set_member
from appliance.storage.engine import Db
from tests.instance_builders import NOW


def a_namespace(**changes: Any) -> Namespace:
    fields = {
        "id": 4,
        "parent_id": None,
        "root_id": 4,
        "ancestry": (4,),
        "depth": 1,
        "name": "Lab",
        "path": "lab",
        "full_path": "lab",
        "description": "",
        "visibility": "private",
        "created_at": NOW,
    }
    return Namespace(**{**fields, **changes})


def add_user(db: Db, name: str, *, is_admin: bool = False) -> User:
    profile = Profile(username=name, name=name, email=f"{name}@b", is_admin=is_admin)
    return db.write_blocking(
        lambda session: create_user(session, profile, password_hash=None, actor=SYSTEM, now=NOW)
    )


def add_group(
    db: Db, caller: User, path: str, *, parent: Namespace | None = None, **fields: Any
) -> Namespace:
    above = None if parent is None else parent.id
    new = NewGroup(name=path.title(), path=path, parent_id=above, **fields)
    return db.write_blocking(
        lambda session: create_group(session, new, caller_user=caller, now=NOW)
    )


def add_member(
    db: Db,
    caller: User,
    group: Namespace,
    *,
    user: User,
    level: AccessLevel = AccessLevel.DEVELOPER,
    expires_on: date | None = None,
) -> None:
    membership = Membership(
        user_id=user.id, namespace_id=group.id, access_level=level, expires_on=expires_on
    )
    db.write_blocking(lambda session: set_member(session, membership, caller_user=caller, now=NOW))
