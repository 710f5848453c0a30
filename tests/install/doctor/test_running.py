from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from install.doctor.box import Box
from install.doctor.findings import exit_code, first_failed
from install.doctor.hops import HOPS
from install.doctor.walking import only, walk
from install.status import ModelState
from install.tls import keeping
from tests.install.doctor.conftest import ANSWERS, READY, SAYS, Look, a_status, settle


def test_services_that_are_stopped_say_what_starts_them(box: Box, look: Look) -> None:
    box.status = a_status("", "stopped", note="stopped since boot")
    found = look("services")
    assert (found.state, found.fix) == ("failed", "casemate up")
    assert "stopped since boot" in found.found


def test_a_model_that_does_not_start_is_named_with_its_reason(box: Box, look: Look) -> None:
    model = ModelState(ref="big", state="failed", reason="No memory.", restarts=3, port=1)
    box.status = replace(a_status(""), state="degraded", models=(model,))
    found = look("services")
    assert "the model big is failed (No memory)" in found.found
    assert "casemate logs model-server" in str(found.fix)


def test_the_way_to_start_follows_the_way_it_runs(box: Box) -> None:
    settle(box, containers=True)
    assert box.start == "casemate up --compose"


def test_listening_beyond_this_machine_without_tls_is_a_warning(box: Box, look: Look) -> None:
    settle(box, listen="192.0.2.1")
    found = look("certificates")
    assert (found.state, found.fix) == ("warning", "casemate up --tls")


@pytest.mark.parametrize(
    ("days", "state"), [(0, "ok"), (397 - 20, "warning"), (398, "failed"), (None, "failed")]
)
def test_certificates_are_told_by_how_long_they_last(
    box: Box, look: Look, days: int | None, state: str
) -> None:
    settle(box, tls=True)
    if days is not None:
        made = datetime.now(UTC) - timedelta(days=days)
        keeping.put(box.places, box.settings, now=made)
    assert look("certificates").state == state


@pytest.mark.parametrize(
    ("check", "fix"), [("master_key", "casemate restore"), ("signing_key", "casemate keys rotate")]
)
def test_an_instance_that_lacks_something_names_it(look: Look, check: str, fix: str) -> None:
    body = {"status": "unavailable", "checks": {**READY, check: "seal_broken"}}
    found = look("instance", answers={"/-/readiness": [503, body]})
    assert found.state == "failed"
    assert f"{check} (seal_broken)" in found.found
    assert fix in str(found.fix)


def test_a_gateway_that_knows_no_configuration_is_named(look: Look) -> None:
    body = {"status": "unavailable", "checks": {"identity": True, "configuration": False}}
    found = look("gateway", gateway_answers={"/monitoring/ready": [503, body]})
    assert found.state == "failed"
    assert "configuration" in found.found
    assert "gateways" in str(found.fix)


def test_what_does_not_answer_is_told_to_start_only_while_it_is_stopped(
    box: Box, look: Look, free_port: int
) -> None:
    settle(box, gateway_port=free_port)
    assert look("gateway").fix == "casemate logs gateway -n 100"
    box.status = a_status("", "stopped")
    found = look("gateway")
    assert (found.state, found.found) == ("failed", "The gateway is stopped.")
    assert found.fix == "casemate up"


def test_a_question_to_what_is_stopped_is_a_failure(
    box: Box, wish: Callable[..., None], free_port: int, another_free_port: int
) -> None:
    wish(answers=ANSWERS, says=SAYS)
    settle(box, instance_port=free_port, gateway_port=another_free_port)
    box.status = a_status("", "stopped")
    findings = walk(only(HOPS, ["question"]), box)
    assert (exit_code(findings), first_failed(findings)) == (2, "instance")


def test_an_answer_that_says_nothing_is_told_by_its_status(look: Look) -> None:
    found = look("instance", answers={"/-/readiness": [503, []]})
    assert "status 503" in found.found
