"""What a question that begins with a slash asks for."""

import pytest

from appliance.ai_actions.rules.chat.slash_commands import (
    COMMANDS,
    SILENT,
    asked_command,
    help_text,
    is_open,
    missing_code,
    offered,
    wrong_page,
)


@pytest.mark.parametrize(
    ("question", "name", "rest"),
    [
        ("/explain", "explain", ""),
        ("  /tests with pytest\nand no mocks ", "tests", "with pytest\nand no mocks"),
        ("/clear now", "clear", "now"),
        ("/summarize_comments", "summarize_comments", ""),
    ],
)
def test_a_command_stands_at_the_beginning(question: str, name: str, rest: str) -> None:
    asked = asked_command(question)
    assert asked is not None
    assert (asked.command.name, asked.rest) == (name, rest)


@pytest.mark.parametrize(
    "question",
    ["", "/", "/ explain", "/etc/hosts is empty", "/explained", "do /explain", "/EXPLAIN"],
)
def test_anything_else_is_plain_text(question: str) -> None:
    assert asked_command(question) is None


def test_a_command_needs_its_own_unit_primitive() -> None:
    assert not is_open(COMMANDS["fix"], {"duo_chat"})
    assert is_open(COMMANDS["fix"], {"duo_chat", "fix_code"})
    assert is_open(COMMANDS["help"], ())


def test_what_the_page_does_not_show_is_not_offered() -> None:
    scopes = {"troubleshoot_job", "summarize_comments"}
    plain = {"help", "clear", "new", "reset"}
    assert {each.name for each in offered(scopes)} == plain
    assert {each.name for each in offered(scopes, page="Job")} == plain | {"troubleshoot"}
    assert {each.name for each in offered(scopes, page="Issue")} == plain | {"summarize_comments"}


def test_help_lists_what_is_offered() -> None:
    said = help_text(offered({"explain_code"}))
    assert "`/explain`" in said
    assert "`/fix`" not in said


def test_sentences_name_the_command() -> None:
    assert "/fix" in missing_code(COMMANDS["fix"])
    assert "an issue or a merge request" in wrong_page(COMMANDS["summarize_comments"])


def test_only_what_takes_code_waits_for_more_to_be_written() -> None:
    waiting = {each.name for each in COMMANDS.values() if not each.is_sent_at_once}
    assert waiting == {"explain", "tests", "refactor", "fix"}
    assert not waiting & SILENT
