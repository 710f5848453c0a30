"""What a conversation is called."""

from appliance.ai_actions.rules.chat.threads import MAX_TITLE_CHARS, title_of


def test_a_title_is_the_first_line() -> None:
    assert title_of("Why does\tit   fail?\nHere is the log") == "Why does it fail?"


def test_a_long_title_is_cut() -> None:
    title = title_of("word " * 100)
    assert len(title) <= MAX_TITLE_CHARS
    assert title.endswith("word…")
