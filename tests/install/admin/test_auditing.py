import json

import pytest

from install.admin import auditing
from install.api import Instance
from install.config import Config, save
from install.places import Places
from tests.install.conftest import Run

INTACT = {"intact": True, "entries": 7, "head": "ab", "first_bad": None, "reason": None}
EVENT = {
    "id": 7,
    "author_name": "admin",
    "entity_id": "3",
    "entity_type": "licence",
    "event_name": "licence_added",
    "details": {"note": "[bold]"},
    "created_at": "2026-11-21T10:00:00+00:00",
}


class Asked:
    """What was asked of an instance that answers everything with `answer`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answer: object = None
        self.paths: list[str] = []
        monkeypatch.setattr(Instance, "ask", self.ask)

    def ask(self, _method: str, path: str) -> object:
        self.paths.append(path)
        return self.answer


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, parts_running: Places) -> Asked:
    assert parts_running.home.exists()
    return Asked(monkeypatch)


def test_an_intact_log_is_said_to_be(casemate: Run, asked: Asked) -> None:
    asked.answer = INTACT
    assert casemate("audit", "verify")[:2] == (0, "intact: 7 entries, up to ab\n")
    assert json.loads(casemate("audit", "verify", "--json")[1]) == INTACT
    assert asked.paths[0] == "/api/v4/audit_events/verification"


def test_a_changed_log_is_a_failure_that_names_the_place(casemate: Run, asked: Asked) -> None:
    asked.answer = {**INTACT, "intact": False, "first_bad": 8, "reason": "Entry 8 is missing."}
    code, out, _ = casemate("audit", "verify")
    assert (code, out) == (1, "not intact: Entry 8 is missing. (7 entries, up to ab)\n")


def test_the_newest_entries_are_listed(casemate: Run, asked: Asked) -> None:
    asked.answer = [EVENT]
    out = casemate("audit", "list", "-n", "5", "--action", "licence_added")[1]
    assert "licence_added" in out
    assert "[bold]" in out
    assert asked.paths == [f"{auditing.PATH}?per_page=5&action=licence_added"]
    assert json.loads(casemate("audit", "list", "--json")[1]) == [EVENT]


def test_the_database_itself_can_be_read(casemate: Run, installed: Places, config: Config) -> None:
    assert casemate("audit", "verify", "--database")[0] == 3
    save(installed.config, config)
    assert casemate("audit", "verify", "--database")[0] == 0
