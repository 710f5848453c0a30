import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from install import contents
from install.config import Config, save
from install.places import Places
from tests.fakes import parts
from tests.fakes.licence_desk import Desk, open_desk
from tests.install.conftest import Run

PATH = "/api/v4/ai/gateways"
HALVES = {"gateway_id": "g", "signing_key": "s", "sealing_key": "x"}
PIN = {"instance_id": "i", "feed_key": "f", "issuer": "http://i", "instance_url": "http://i"}


def a_gateway(**changes: Any) -> dict[str, Any]:
    fields = {
        "name": "local",
        "id": "k" * 43,
        "version": "1.2",
        "connection": "connected",
        "last_seen_at": "2026-11-21T12:00:00Z",
        "epoch": 1,
        "sequence": 40,
        "changes_behind": 0,
        "seconds_behind": 0.0,
        "kids": ["kid-1"],
        "clock_skew_ms": -300,
        "clock_note": None,
        "models": [{"ref": "tiny", "state": "ready"}],
    }
    return {**fields, **changes}


SLOW = a_gateway(
    name="east",
    connection="away",
    version=None,
    changes_behind=3,
    seconds_behind=12.4,
    clock_skew_ms=90_000,
    clock_note="Its clock is 90.0 s ahead of this instance's.",
)
NEW = a_gateway(
    name="new",
    last_seen_at=None,
    epoch=None,
    sequence=None,
    changes_behind=None,
    clock_skew_ms=None,
    kids=[],
    models=[],
)
ANSWERS: dict[str, Any] = {
    f"GET {PATH}": [a_gateway(), SLOW],
    f"GET {PATH}/local": a_gateway(),
    f"GET {PATH}/east": SLOW,
    f"GET {PATH}/new": NEW,
    f"POST {PATH}": (201, {"name": "east", "id": "g", "pin": PIN}),
    f"DELETE {PATH}/east": {"name": "east", "warning": None},
    f"DELETE {PATH}/local": {"name": "local", "warning": "No gateway is registered any more."},
}


@pytest.fixture(autouse=True)
def desk(places: Places, config: Config) -> Iterator[Desk]:
    save(places.config, config)
    contents.token_file(places).write_text(parts.TOKEN)
    with open_desk(config.instance_port, dict(ANSWERS)) as opened:
        yield opened


def test_gateways_are_listed_with_how_far_they_follow(casemate: Run, desk: Desk) -> None:
    assert json.loads(casemate("gateways", "list", "--json")[1]) == [a_gateway(), SLOW]
    out = casemate("gateways", "list")[1]
    assert "local            connected  release 1.2, up to date" in out
    assert "release unknown, 3 changes behind, for 12 s\n  ! Its clock is 90.0 s ahead" in out
    desk.answers[f"GET {PATH}"] = []
    assert casemate("gateways", "list")[1] == "No gateway is registered.\n"


def test_one_gateway_is_shown_with_its_keys_and_models(casemate: Run) -> None:
    assert json.loads(casemate("gateways", "show", "local", "--json")[1]) == a_gateway()
    out = casemate("gateways", "show", "local")[1]
    for told in ("position  1.40", "clock     -0.3 s from", "keys      kid-1", "tiny  ready"):
        assert told in out
    assert "  ! Its clock is" in casemate("gateways", "show", "east")[1]
    out = casemate("gateways", "show", "new")[1]
    for told in ("has read nothing yet", "seen      never", "position  -.-", "not measured"):
        assert told in out


def test_a_gateway_is_added_by_what_it_printed(
    casemate: Run, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({**HALVES, "of_a_later_release": 1}))
    code, out, err = casemate("gateways", "add", "east", str(keys))
    assert (code, json.loads(out)) == (0, PIN)
    assert "python -m gateway pin" in err
    assert desk.heard[-1] == (f"POST {PATH}", {"name": "east", **HALVES})
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(HALVES)))
    assert json.loads(casemate("gateways", "add", "east", "--json")[1])["pin"] == PIN


@pytest.mark.parametrize("text", ["", "[]", '{"signing_key": "s"}', "not JSON"])
def test_other_texts_are_no_keys(casemate: Run, tmp_path: Path, text: str) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text(text)
    code, _, err = casemate("gateways", "add", "east", str(keys))
    assert (code, "python -m gateway keys" in err) == (2, True)


def test_a_gateway_is_removed_and_what_follows_is_told(casemate: Run) -> None:
    assert casemate("gateways", "remove", "east")[1] == "east is removed.\n"
    assert "  ! No gateway is registered any more." in casemate("gateways", "remove", "local")[1]
    removed = json.loads(casemate("gateways", "remove", "east", "--json")[1])
    assert removed == {"name": "east", "warning": None}


def test_one_that_is_not_there_is_told(casemate: Run) -> None:
    code, _, err = casemate("gateways", "show", "nobody/x")
    assert (code, "404" in err) == (1, True)
