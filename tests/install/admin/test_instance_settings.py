import json
from collections.abc import Iterator
from typing import Any

import pytest

from install import contents
from install.config import Config, save
from install.places import Places
from tests.fakes import parts
from tests.fakes.licence_desk import Desk, open_desk
from tests.install.conftest import Run

PATH = "/api/v4/ai/settings"
FOUND: dict[str, Any] = {
    "instance_public_url": "http://i",
    "gateway_public_url": "http://g",
    "ai_gateway_url": "http://a",
    "ai_gateway_timeout_seconds": 60,
    "ai_action_api_rate_limit": 160,
    "set_here": ["ai_gateway_url"],
    "updated_at": None,
}


@pytest.fixture(autouse=True)
def desk(places: Places, config: Config) -> Iterator[Desk]:
    save(places.config, config)
    contents.token_file(places).write_text(parts.TOKEN)
    answers: dict[str, Any] = {f"GET {PATH}": FOUND, f"PUT {PATH}": FOUND}
    with open_desk(config.instance_port, answers) as opened:
        yield opened


def test_what_was_set_here_is_marked(casemate: Run) -> None:
    assert json.loads(casemate("settings", "show", "--json")[1]) == FOUND
    out = casemate("settings", "show")[1]
    assert "* ai_gateway_url" in out
    assert "  instance_public_url         http://i" in out


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (("set", "ai_gateway_url", "http://b"), {"ai_gateway_url": "http://b"}),
        (("set", "ai_gateway_timeout_seconds", "90"), {"ai_gateway_timeout_seconds": 90}),
        (("set", "ai_gateway_timeout_seconds", "x"), {"ai_gateway_timeout_seconds": "x"}),
        (("set", "ai_action_api_rate_limit", "0"), {"ai_action_api_rate_limit": 0}),
        (("reset", "ai_gateway_url"), {"ai_gateway_url": None}),
    ],
)
def test_a_setting_is_set_and_taken_back(
    casemate: Run, desk: Desk, words: tuple[str, ...], body: dict[str, Any]
) -> None:
    code, *_ = casemate("settings", *words)
    assert (code, desk.heard[-1]) == (0, (f"PUT {PATH}", body))


def test_an_unknown_setting_is_told(casemate: Run, desk: Desk) -> None:
    for words in (("set", "issuer", "http://x"), ("reset", "issuer")):
        code, _, err = casemate("settings", *words)
        assert (code, "ai_gateway_url" in err) == (2, True)
    assert not desk.heard
