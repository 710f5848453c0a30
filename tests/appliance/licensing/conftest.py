"""An instance that trusts an authority, and who asks it for seats."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import pytest

from appliance.accounts.rules import Profile, User
from appliance.accounts.usecases import change_user, create_user
from appliance.audit.rules import SYSTEM
from appliance.licensing import usecases
from appliance.licensing.rules import Licence, Purchase
from appliance.namespaces.rules import AccessLevel, Membership, Namespace, NewGroup
from appliance.namespaces.usecases import create_group, set_member
from appliance.storage.engine import Db, Session
from appliance.storage.identity import ensure_identity
from tests.instance_builders import NOW
from tests.licence_builders import INSTANCE_ID, SigningAuthority

T = TypeVar("T")


@dataclass
class Organisation:
    """A database with an admin, in which licences of `authority` are taken."""

    db: Db
    authority: SigningAuthority
    admin: User

    def do(self, work: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """Runs a use case in a transaction of its own."""
        return self.db.write_blocking(lambda session: work(session, *arguments, **named))

    def buy(self, *lines: dict[str, Any], now: datetime = NOW, **changes: Any) -> Licence:
        text = self.authority.licence(*lines, **changes)
        return self.do(usecases.add_licence, text, actor=SYSTEM, now=now)

    def purchase(self, add_on: str, *, of: int | None = None) -> Purchase:
        bought = self.do(usecases.list_purchases, root_namespace_id=of)
        return next(each for each in bought if each.add_on == add_on)

    def user(self, name: str, **changes: Any) -> User:
        profile = Profile(username=name, name=name, email=f"{name}@example.org", **changes)
        return self.do(create_user, profile, password_hash=None, actor=SYSTEM, now=NOW)

    def block(self, user: User, *, now: datetime = NOW) -> None:
        self.change(user, Profile(state="blocked"), now=now)

    def change(self, user: User, profile: Profile, *, now: datetime = NOW) -> None:
        self.do(change_user, user.id, profile, password_hash=None, actor=SYSTEM, now=now)

    def group(self, path: str) -> Namespace:
        return self.do(
            create_group, NewGroup(name=path, path=path), caller_user=self.admin, now=NOW
        )

    def join(self, user: User, group: Namespace, level: AccessLevel = AccessLevel.GUEST) -> None:
        member = Membership(user_id=user.id, namespace_id=group.id, access_level=level)
        self.do(set_member, member, caller_user=self.admin, now=NOW)

    def give(self, purchase: Purchase, *users: User, now: datetime = NOW) -> list[Any]:
        return self.do(
            usecases.give_seats,
            purchase.id,
            [user.id for user in users],
            actor=SYSTEM,
            given_by=None,
            now=now,
        )


@pytest.fixture
def organisation(db: Db) -> Organisation:
    authority = SigningAuthority()

    def begin(session: Session) -> User:
        ensure_identity(session, fresh_id=UUID(INSTANCE_ID), now=NOW)
        usecases.pin_authority(session, authority.public, is_demo=False, actor=SYSTEM, now=NOW)
        profile = Profile(username="root", name="Root", email="root@b", is_admin=True)
        return create_user(session, profile, password_hash=None, actor=SYSTEM, now=NOW)

    return Organisation(db, authority, db.write_blocking(begin))
