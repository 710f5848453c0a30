"""What chat finds in the product's documentation."""

import pytest

from appliance.ai_actions.rules.chat.documentation import (
    MAX_FOUND,
    Page,
    load_library,
    make_library,
)


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("How do I ask in chat?", "chat"),
        ("which slash commands are there", "slash_commands"),
        ("How do I add my own self-hosted model with vLLM?", "own_models"),
        ("choose the model of a feature for a group", "models"),
        ("code completions in my editor", "code_suggestions"),
        ("give somebody a seat", "seats"),
        ("How can I revoke a personal access token?", "tokens"),
        ("what does the error A1001 mean", "error_codes"),
        ("send a file along as context", "additional_context"),
        ("how many requests may I make", "limits"),
        ("turn a feature flag off", "flags"),
        ("the gateway cannot be reached", "gateway"),
        ("are my questions sent to the internet?", "privacy"),
        ("usage report by user", "usage"),
        ("summarize comments with GraphQL aiAction", "actions"),
    ],
)
def test_questions_find_their_page(question: str, name: str) -> None:
    assert load_library().search(question)[0].name == name


@pytest.mark.parametrize(
    "question",
    ["", "?", "how do I", "who won the football championship", "крокодил", "zebra " * 500],
)
def test_what_it_says_nothing_about_finds_nothing(question: str) -> None:
    assert not load_library().search(question)


def test_there_are_never_many_pages() -> None:
    library = make_library(
        Page(name=str(number), title="Seats", text="seats") for number in range(20)
    )
    assert len(library.search("seats")) == MAX_FOUND


def test_every_page_can_be_shown() -> None:
    pages = load_library().pages
    assert len({page.title for page in pages}) == len(pages) >= 10
    for page in pages:
        assert page.name
        assert page.text.strip()
        assert len(page.text) < 4_000


def test_a_page_that_only_mentions_it_is_not_shown_beside_the_one_about_it() -> None:
    pages = [Page(title="Seats", text="seats seats"), Page(title="Models", text="also seats")]
    assert [page.title for page in make_library(pages).search("seats")] == ["Seats"]


def test_an_empty_library_finds_nothing() -> None:
    assert not make_library([]).search("seats")
