import pytest

from appliance.ai_actions.rules.languages import language_of


@pytest.mark.parametrize(
    ("name", "language"),
    [("a/b.py", "Python"), ("X.RB", "Ruby"), ("Makefile", None), ("py", None), ("a.zzz", None)],
)
def test_a_name_says_its_language(name: str, language: str | None) -> None:
    assert language_of(name) == language
