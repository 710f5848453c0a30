import json
import os
from typing import Any

import pytest

from appliance import __main__ as program
from appliance.clock import utc_now
from tests.appliance.conftest import FilledHome


@pytest.fixture(autouse=True)
def told(filled: FilledHome, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("CASEMATE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CASEMATE_HOME", str(filled.home))
    monkeypatch.setenv("CASEMATE_DATABASE_URL", filled.url)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert program.main(["users", *words]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_user_is_blocked_unblocked_and_removed(capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "create", "ada")
    assert run(capsys, "block", "ada") == {"username": "ada", "state": "blocked"}
    assert run(capsys, "unblock", "Ada") == {"username": "ada", "state": "active"}
    assert run(capsys, "delete", "ada") == {"username": "ada", "state": "deleted"}
    assert program.main(["users", "block", "ada"]) == 2
    assert "User Not Found" in capsys.readouterr().err


def test_the_last_admin_is_not_removed_here_either(capsys: pytest.CaptureFixture[str]) -> None:
    for action in ("block", "delete"):
        assert program.main(["users", action, "admin"]) == 2
        assert "[last_admin]" in capsys.readouterr().err


def test_a_token_is_found_and_ended_without_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "create", "ada")
    made = run(capsys, "token", "ada", "--scopes", "ai_features", "--days", "9")
    (pat,) = run(capsys, "tokens", "ada")
    assert (pat["scopes"], pat["active"], pat["revoked"]) == (["ai_features"], True, False)
    assert pat["expires_at"] == made["expires_at"] > utc_now().date().isoformat()
    assert made["token"] not in str(pat)
    ended = run(capsys, "revoke-token", str(pat["id"]))
    assert (ended["id"], ended["active"], ended["revoked"]) == (pat["id"], False, True)
    assert run(capsys, "tokens", "ada") == [ended]
    assert program.main(["users", "revoke-token", "99999"]) == 2
    assert "Not Found" in capsys.readouterr().err


def test_more_tokens_than_a_page_are_all_listed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.local.users.MAX_PER_PAGE", 2)
    run(capsys, "create", "ada")
    for number in range(5):
        run(capsys, "token", "ada", "--name", f"t{number}")
    assert [each["name"] for each in run(capsys, "tokens", "ada")] == [f"t{n}" for n in range(5)]
