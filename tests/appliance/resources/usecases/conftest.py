"""A project in a group that all who are signed in may know of, and users."""

import pytest

from appliance.accounts.rules import User
from appliance.namespaces.rules import Namespace
from appliance.resources.rules import Place
from appliance.storage.engine import Db
from tests.appliance.namespaces.builders import add_group, add_user
from tests.appliance.resources.builders import add_project, place


@pytest.fixture
def admin(db: Db) -> User:
    return add_user(db, "root", is_admin=True)


@pytest.fixture
def ada(db: Db) -> User:
    return add_user(db, "ada")


@pytest.fixture
def lab(db: Db, admin: User) -> Namespace:
    return add_group(db, admin, "lab", visibility="internal")


@pytest.fixture
def at(db: Db, admin: User, lab: Namespace) -> Place:
    """The admin in a project."""
    return place(db, admin, add_project(db, admin, lab, visibility="internal"))
