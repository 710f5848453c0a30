import pytest

from appliance.accounts.rules import User
from appliance.audit.usecases import list_events
from appliance.errors import NotFoundError
from appliance.namespaces.rules import Namespace
from appliance.resources import usecases
from appliance.resources.rules import Place
from appliance.storage.engine import Db
from appliance.storage.paging import Page
from tests.appliance.resources.builders import add_project, add_vulnerability
from tests.instance_builders import NOW


def test_a_vulnerability_is_found_in_its_project_only(
    db: Db, at: Place, admin: User, lab: Namespace
) -> None:
    found = add_vulnerability(db, at)
    add_project(db, admin, lab, name="other")

    def named(project: str) -> object:
        return db.read_blocking(
            lambda s: usecases.named_vulnerability(
                s, admin, project, vulnerability_id=found.id, now=NOW
            )
        )

    assert named("lab/test") == found
    with pytest.raises(NotFoundError, match="404 Vulnerability Not Found"):
        named("lab/other")


def test_the_log_knows_who_removed_one(db: Db, at: Place, admin: User) -> None:
    found = add_vulnerability(db, at)
    db.write_blocking(lambda s: usecases.delete_vulnerability(s, admin, found.id, now=NOW))
    (event,) = db.read_blocking(lambda s: list_events(s, Page.asked(1, 1))).items
    assert (event.entry.action, event.entry.target.id) == ("vulnerability_deleted", str(found.id))
