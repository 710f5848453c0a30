import os
import time
from datetime import UTC, datetime, timedelta

import pytest

from install.doctor import stored
from install.doctor.box import Box
from tests.install.doctor.conftest import READY, Look


def test_a_damaged_database_is_named(look: Look) -> None:
    found = look("database", says={"database check": {"ok": False, "problems": ["page 3"]}})
    assert (found.state, found.fix) == ("failed", "casemate restore FILE")
    assert "page 3" in found.found


def test_a_database_that_cannot_be_opened_is_named(look: Look) -> None:
    found = look("database", fails=["appliance", "database"], says={"database generation": None})
    assert (found.state, found.facts["code"]) == ("failed", "local_command_failed")
    assert "it is broken" in found.found


@pytest.mark.parametrize(("theirs", "state"), [(2, "ok"), (3, "failed"), (None, "ok")])
def test_a_database_may_be_one_release_newer(look: Look, theirs: int | None, state: str) -> None:
    says = {"database generation": {"generation": 1, "database": theirs}}
    assert look("database", says=says).state == state


def test_a_master_key_that_opens_nothing_is_named(look: Look) -> None:
    body = {"status": "unavailable", "checks": {**READY, "master_key": "master_key_wrong"}}
    found = look("master_key", answers={"/-/readiness": [503, body]})
    assert found.state == "failed"
    assert "master_key_wrong" in found.found
    assert "backup" in str(found.fix)


def test_the_master_key_is_tried_by_hand_while_the_instance_is_down(look: Look) -> None:
    silent = {"/-/readiness": [503, {}]}
    assert look("master_key", answers=silent).state == "ok"


def test_a_master_key_that_is_wrong_while_the_instance_is_down_is_named(look: Look) -> None:
    silent = {"/-/readiness": [503, {}]}
    found = look(
        "master_key", answers=silent, fails=["appliance", "keys"], says={"keys check": None}
    )
    assert found.state == "failed"


def test_a_clock_that_went_back_says_what_to_do(look: Look) -> None:
    says = {"clock show": {"now": "", "latest": "", "problem": "The clock went back."}}
    found = look("clock", says=says)
    assert found.state == "failed"
    assert "casemate clock accept" in str(found.fix)


def test_services_with_another_time_are_named(look: Look, box: Box) -> None:
    box.now = lambda: datetime.now(UTC) + timedelta(seconds=60)
    found = look("clock")
    assert found.state == "failed"
    assert "the gateway's by -6" in found.found
    assert stored.SKEW_S == 10


def test_a_receipt_from_the_future_is_a_warning(look: Look, box: Box) -> None:
    box.places.receipts.mkdir()
    path = box.places.receipts / "one.json"
    path.write_text("{}")
    os.utime(path, (time.time() + 3600,) * 2)
    assert look("clock").state == "warning"


def test_a_long_look_at_the_database_is_no_other_time(look: Look, box: Box) -> None:
    box.probe(f"{box.settings.gateway_url}/monitoring/ready")
    box.now = lambda: datetime.now(UTC) + timedelta(seconds=60)
    box.probe(f"{box.settings.instance_url}/-/readiness")
    assert "gateway" not in look("clock").found
