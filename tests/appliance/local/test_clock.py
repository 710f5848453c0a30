import json
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest

from appliance import __main__ as program
from appliance.access_tokens.usecases import signing_keys
from appliance.accounts.usecases import grant_era
from appliance.audit.usecases import list_events
from appliance.clock import utc_now
from appliance.licensing.usecases import note_time
from appliance.storage.engine import Db, database_url
from appliance.storage.paging import Page
from tests.appliance.conftest import FilledHome

YEAR = timedelta(days=365)


@pytest.fixture(autouse=True)
def told(filled: FilledHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASEMATE_HOME", str(filled.home))
    monkeypatch.setenv("CASEMATE_DATABASE_URL", filled.url)


@pytest.fixture
def opened(filled: FilledHome) -> Iterator[Db]:
    with closing(Db(database_url(filled.url))) as db:
        yield db


def run(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert program.main(list(words)) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_clock_that_goes_on_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    found = run(capsys, "clock", "show")
    assert found["problem"] is None


@pytest.mark.parametrize("words", [("clock", "accept"), ("licence", "reset-clock")])
def test_a_clock_that_ran_ahead_is_forgiven(
    opened: Db, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    ahead = utc_now() + YEAR
    opened.write_blocking(lambda session: note_time(session, now=ahead))
    found = run(capsys, "clock", "show")
    assert "casemate clock accept" in found["problem"]
    assert found["latest"] == ahead.isoformat()
    era = opened.read_blocking(grant_era)
    assert run(capsys, *words)["before"] == ahead.isoformat()
    assert run(capsys, "clock", "show")["problem"] is None
    assert opened.read_blocking(grant_era) > era
    assert all(key.created_at <= utc_now() for key in opened.read_blocking(signing_keys))
    page = Page.asked(1, 1)
    (last,) = opened.read_blocking(lambda session: list_events(session, page)).items
    assert (last.entry.action, last.entry.actor.kind) == ("licence_clock_reset", "system")
