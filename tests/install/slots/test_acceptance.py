import json
from dataclasses import replace

import pytest

from install import config
from install.config import Config
from install.places import Places
from install.question import Answer
from install.slots import acceptance, switching
from install.slots.acceptance import Expected, NotAcceptedError
from tests.install.slots.conftest import a_slot
from tests.small_bundle import ACCEPTANCE

EXPECTED = Expected(
    text="Yes?",
    max_tokens=8,
    least_completion_tokens=2,
    least_rate=1.0,
    most_first_token_s=300.0,
)
ANSWER = Answer(text="Yes.", completion_tokens=2, first_token_s=0.5, tokens_per_second=20.04)


def test_a_bundles_test_is_read() -> None:
    assert acceptance.parse(json.dumps(ACCEPTANCE).encode()) == (EXPECTED,)


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"figures": {}, "questions": []}x'])
def test_what_is_no_test_is_refused(text: bytes) -> None:
    with pytest.raises(NotAcceptedError, match="cannot be read"):
        acceptance.parse(text)


def test_an_answer_as_expected_is_measured() -> None:
    assert acceptance.judge(EXPECTED, ANSWER).tokens_per_second == 20.0


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (replace(ANSWER, completion_tokens=1), "got 1 tokens"),
        (replace(ANSWER, text=""), "tokens for an answer"),
        (replace(ANSWER, tokens_per_second=0.9), "0.9 tokens/s"),
        (replace(ANSWER, first_token_s=301.0), "after 301.0 s"),
    ],
)
def test_an_answer_that_falls_short_is_refused_with_both_figures(answer: Answer, said: str) -> None:
    with pytest.raises(NotAcceptedError, match=said):
        acceptance.judge(EXPECTED, answer)


@pytest.fixture
def accepting(parts_running: Places, config: Config) -> Places:
    """A slot in use, with stand-ins for instance and gateway."""
    a_slot(parts_running, "a")
    switching.point(parts_running, "slots/a")
    (parts_running.slot / "acceptance.json").write_text(json.dumps(ACCEPTANCE))
    assert config.instance_port
    return parts_running


def test_it_asks_through_instance_and_gateway(
    accepting: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    assert accepting.slot.is_dir()
    code = acceptance.main()
    told = json.loads(capsys.readouterr().out)
    assert (code, told["asked"], told["not_asked"]) == (0, 1, None)
    assert told["measured"][0]["completion_tokens"] >= 2


def test_too_high_a_figure_ends_it_with_one(
    accepting: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = json.loads(json.dumps(ACCEPTANCE))
    wanted["questions"][0]["least_completion_tokens"] = 10_000
    (accepting.slot / "acceptance.json").write_text(json.dumps(wanted))
    assert acceptance.main() == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "acceptance_failed"


def test_where_nobody_may_ask_it_says_so(
    accepting: Places, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert accepting.slot.is_dir()
    monkeypatch.setattr("install.first_question.refusal", lambda *_a: "There is no licence.")
    assert acceptance.main() == 0
    assert json.loads(capsys.readouterr().out)["not_asked"] == "There is no licence."


def test_a_home_without_settings_is_said(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    config.save(places.config, Config())
    places.config.unlink()
    assert acceptance.main() == 3
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "not_installed"
