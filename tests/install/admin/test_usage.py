import json

import pytest

from install.api import Instance
from install.places import Places
from tests.install.conftest import Run

LINE = {"model": "[m]", "namespace_id": None, "requests": 3, "answered": 2}


@pytest.fixture
def paths(monkeypatch: pytest.MonkeyPatch, parts_running: Places) -> list[str]:
    """What is asked of an instance on which something was used."""
    assert parts_running.home.exists()
    asked: list[str] = []

    def ask(_self: Instance, _method: str, path: str) -> object:
        asked.append(path)
        return {"id": 7} if "groups" in path else [{"id": 3}] if "users" in path else [LINE]

    def text(_self: Instance, path: str) -> str:
        asked.append(path)
        return "day,requests\r\n"

    monkeypatch.setattr(Instance, "ask", ask)
    monkeypatch.setattr(Instance, "text", text)
    return asked


def test_usage_is_a_table(casemate: Run, paths: list[str]) -> None:
    code, out, _ = casemate("usage", "--group-by", "model,namespace")
    assert (code, out.splitlines()[0].split()) == (
        0,
        ["model", "namespace", "id", "requests", "answered"],
    )
    assert "[m]" in out
    assert paths == ["/api/v4/usage?group_by=model%2Cnamespace"]


def test_days_users_and_groups_are_passed_on(casemate: Run, paths: list[str]) -> None:
    words = ("--from", "2026-11-01", "--to", "2026-11-30", "--user", "ada", "--namespace", "a/b")
    assert json.loads(casemate("usage", *words, "--json")[1]) == [LINE]
    assert paths[:2] == ["/api/v4/users?username=ada", "/api/v4/groups/a%2Fb"]
    assert paths[2].endswith("from=2026-11-01&to=2026-11-30&group_by=day&user_id=3&namespace_id=7")


def test_csv_comes_as_it_is(casemate: Run, paths: list[str]) -> None:
    assert casemate("usage", "--csv")[1].splitlines() == ["day,requests"]
    assert paths == ["/api/v4/usage?group_by=day&format=csv"]
    assert casemate("usage", "--csv", "--json")[0] == 2


def test_no_usage_is_said(casemate: Run, paths: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert not paths
    monkeypatch.setattr(Instance, "ask", lambda *_: [])
    assert casemate("usage")[1].startswith("Nothing was used")
