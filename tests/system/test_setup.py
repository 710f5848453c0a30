"""`casemate setup` for an instance and for a group that buys, again and again."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.system.driver import Appliance


def setup(appliance: Appliance, *words: str) -> dict[str, Any]:
    done = appliance.casemate("setup", *words, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(autouse=True)
def back(appliance: Appliance) -> Iterator[None]:
    """The instance owns the demonstration's licence again afterwards."""
    yield
    setup(appliance)


@pytest.mark.parametrize("words", [(), ("--saas",), ("--saas", "--add-on", "duo_pro")])
def test_what_was_set_up_answers_and_a_second_time_changes_nothing(
    appliance: Appliance, words: tuple[str, ...]
) -> None:
    done = setup(appliance, *words)
    assert (done["verdict"], done["members"]) == ("permitted", ["admin"])
    assert setup(appliance, *words)["changed"] == []
    asked = appliance.casemate("ask", "Say yes.", "--max-tokens", "4")
    assert asked.returncode == 0, asked.stderr


def test_up_leaves_what_was_set_up_as_it_is(appliance: Appliance) -> None:
    setup(appliance, "--saas")
    before = appliance.casemate("licence", "list", "--json").stdout
    told = appliance.up()
    assert (told["restarted"], bool(told["answer"])) == ([], True)
    assert appliance.casemate("licence", "list", "--json").stdout == before


def test_what_was_done_is_in_the_audit_log_and_the_log_is_whole(appliance: Appliance) -> None:
    setup(appliance, "--saas")
    listed = json.loads(appliance.casemate("audit", "list", "-n", "100", "--json").stdout)
    actions = {each["event_name"] for each in listed}
    assert {"licence_added", "licence_removed", "seat_given"} <= actions
    for words in ((), ("--database",)):
        verified = appliance.casemate("audit", "verify", *words)
        assert verified.returncode == 0, verified.stdout + verified.stderr
        assert "intact" in verified.stdout


def test_usage_is_shown_and_comes_as_csv(appliance: Appliance) -> None:
    shown = appliance.casemate("usage", "--group-by", "day,model")
    assert shown.returncode == 0, shown.stderr
    csv = appliance.casemate("usage", "--group-by", "feature,provider", "--csv").stdout
    assert csv.splitlines()[0].startswith("feature,provider,requests")
