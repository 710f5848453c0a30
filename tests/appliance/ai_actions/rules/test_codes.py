import re
from pathlib import Path

import pytest

from appliance.ai_actions.rules.codes import (
    CODES,
    HELP_PATH,
    anchor,
    failed_answer,
    refused_sentence,
    sentence,
)


@pytest.mark.parametrize("code", CODES)
def test_every_code_says_what_happened_and_what_helps(code: str) -> None:
    failure = CODES[code]
    assert re.fullmatch("[AGM][0-9]{4}", code)
    assert failure.message.endswith(".")
    assert failure.fix.endswith(".")
    assert "://" not in sentence(code)


def test_a_detail_stands_between_what_happened_and_what_helps() -> None:
    failure = CODES["M5000"]
    told = sentence("M5000", {"detail": "It is empty."})
    assert told == f"{failure.message} It is empty. {failure.fix}"
    assert sentence("M5000", {}) == sentence("M5000") == f"{failure.message} {failure.fix}"


def test_a_failed_answer_leads_to_the_help_page() -> None:
    answer = failed_answer("A1001")
    assert answer.code == "A1001"
    assert answer.errors == (sentence("A1001"),)
    link = f"Error code: [A1001]({HELP_PATH}#error-a1001)"
    assert answer.content == f"{answer.errors[0]} {link}"
    assert anchor("A1001") == "error-a1001"


def test_a_refusal_names_its_code() -> None:
    assert refused_sentence("M3004") == f"{sentence('M3004')} (M3004)"


def test_every_code_is_made_by_a_test_of_what_fails() -> None:
    folder = Path(__file__).parent.parent
    texts = [path.read_text() for path in folder.rglob("test_*.py") if path != Path(__file__)]
    assert [code for code in CODES if not any(code in text for text in texts)] == []
