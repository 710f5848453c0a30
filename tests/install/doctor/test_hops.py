import json
from collections.abc import Callable

import pytest

from install.doctor.box import Box
from install.doctor.findings import exit_code, first_failed
from install.doctor.hops import HOPS
from install.doctor.walking import walk
from install.egress.ledgers import LEDGERS, Found
from install.errors import InstallError
from install.places import Places
from tests.fakes import parts
from tests.install.conftest import Run
from tests.install.doctor.conftest import ANSWERS, SAYS, Look


def test_a_healthy_appliance_is_well_at_every_hop(box: Box, wish: Callable[..., None]) -> None:
    wish(answers=ANSWERS, says=SAYS)
    findings = walk(HOPS, box)
    assert {each.hop: each.found for each in findings if each.state != "ok"} == {}
    assert exit_code(findings) == 0


def test_each_hop_needs_only_those_before_it() -> None:
    names = [hop.name for hop in HOPS]
    for hop in HOPS:
        assert all(names.index(need) < names.index(hop.name) for need in hop.needs)


def test_nothing_that_was_never_set_up_is_named_first(
    casemate: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setenv("CASEMATE_HOME", f"{tmp_path}/none")
    code, out, _ = casemate("doctor", "--json")
    found = json.loads(out)
    assert (code, found["exit_code"], found["first_failed"]) == (2, 2, "home")
    assert "bundle apply" in found["hops"][0]["fix"]
    assert {each["state"] for each in found["hops"][1:]} == {"skipped"}


@pytest.mark.usefixtures("box")
def test_what_is_down_is_named_and_the_rest_is_looked_at(
    casemate: Run, wish: Callable[..., None]
) -> None:
    wish(answers={**ANSWERS, "/-/readiness": [503, {}]}, says=SAYS)
    code, out, _ = casemate("doctor", "--json")
    found = {each["hop"]: each for each in json.loads(out)["hops"]}
    assert code == 2
    assert (found["services"]["state"], found["services"]["fix"]) == ("failed", "casemate up")
    assert found["database"]["state"] == "ok"
    assert found["question"]["state"] == "skipped"


@pytest.mark.usefixtures("box")
def test_one_hop_is_looked_at_with_what_it_needs(casemate: Run, wish: Callable[..., None]) -> None:
    wish(answers=ANSWERS, says=SAYS)
    code, out, _ = casemate("doctor", "--only", "database")
    assert code == 0
    assert [line.split()[1] for line in out.splitlines()[:3]] == [
        "home",
        "configuration",
        "database",
    ]
    assert "All is well." in out
    code, _, err = casemate("doctor", "--only", "coffee")
    assert code == 2
    assert "There is no hop coffee" in err


def test_a_stranger_on_the_port_is_neither_ready_nor_shown_the_token(
    box: Box, wish: Callable[..., None]
) -> None:
    html = [200, "<html>Hello.</html>"]
    wish(answers=dict.fromkeys(ANSWERS, html), says=SAYS)
    box.is_ours = lambda *_: False
    findings = walk(HOPS, box)
    states = {each.hop: each.state for each in findings}
    assert (first_failed(findings), exit_code(findings)) == ("ports", 2)
    assert (states["instance"], states["admin"], states["backups"]) == ("skipped", "skipped", "ok")
    assert "asked" not in box.__dict__


def test_an_answer_that_nobody_understands_fails_its_hop_alone(look: Look) -> None:
    found = look("admin", answers={"/api/v4/user": [200, "<html>Hello.</html>"]})
    assert (found.state, found.fix) == ("failed", "casemate users token admin")
    assert "cannot be understood (JSONDecodeError" in found.found
    found = look("signing_keys", answers={"/api/v4/ai/signing_keys": [200, [{"kid": "x"}]]})
    assert (found.state, found.facts["code"]) == ("failed", "unreadable")


@pytest.mark.usefixtures("box")
def test_what_could_not_be_looked_at_is_not_well(
    casemate: Run, wish: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    wish(answers=ANSWERS, says=SAYS)
    nothing = Found(attempts=(), unread=tuple(LEDGERS))
    monkeypatch.setattr("install.egress.looking.look", lambda *_: nothing)
    code, out, _ = casemate("doctor", "--only", "egress")
    assert code == 1
    assert "Nothing failed; 0 warnings, 1 not looked at." in out


def test_a_first_failure_is_the_first_in_order(box: Box) -> None:
    findings = walk(HOPS[:1], Box(places=Places(home=box.places.home / "none", uid=0)))
    assert first_failed(findings) == "home"


def test_a_command_of_the_instance_that_fails_is_told_in_its_words(
    box: Box, wish: Callable[..., None]
) -> None:
    wish(fails=["appliance", "database"])
    with pytest.raises(InstallError, match="it is broken"):
        box.local(["database", "check"])


def test_a_diagnostic_token_is_narrow(look: Look) -> None:
    assert look("question").state == "ok"
    assert parts.InstanceSurface.wished == {"scopes": ["duo_chat"], "expires_in": 120}
