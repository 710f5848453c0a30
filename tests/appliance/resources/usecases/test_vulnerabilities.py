from appliance.accounts.rules import User
from appliance.audit.usecases import list_events
from appliance.resources import usecases
from appliance.resources.rules import Place
from appliance.storage.engine import Db
from appliance.storage.paging import Page
from tests.appliance.resources.builders import add_vulnerability
from tests.instance_builders import NOW


def test_the_log_knows_who_removed_one(db: Db, at: Place, admin: User) -> None:
    found = add_vulnerability(db, at)
    db.write_blocking(lambda s: usecases.delete_vulnerability(s, admin, found.id, now=NOW))
    (event,) = db.read_blocking(lambda s: list_events(s, Page.asked(1, 1))).items
    assert (event.entry.action, event.entry.target.id) == ("vulnerability_deleted", str(found.id))
