import pytest

from appliance.errors import InvalidFieldsError
from appliance.resources.rules import texts
from appliance.resources.rules.texts import LabelChange, parse_labels


@pytest.mark.parametrize(
    ("change", "after"),
    [
        (LabelChange(), ["a", "b"]),
        (LabelChange(labels=()), []),
        (LabelChange(labels=("c", "a"), added=("b",)), ["c", "a", "b"]),
        (LabelChange(added=("b", "c"), removed=("a",)), ["b", "c"]),
    ],
)
def test_labels_are_replaced_added_and_removed(change: LabelChange, after: list[str]) -> None:
    assert change.applied(("a", "b")) == after


def test_labels_are_told_in_a_list_or_with_commas_between() -> None:
    assert parse_labels(" a, b,,a ") == ("a", "b") == parse_labels(["a", "b ", ""])


@pytest.mark.parametrize("line", ["a", "x" * 255, "👩\u200d💻 ü", None])
def test_a_line_may_hold_what_people_write(line: str | None) -> None:
    assert texts.problem_of_line(line) is None


@pytest.mark.parametrize("line", ["", "  ", "x" * 256, "a\nb", "\0", "a\u2028", "\ud800"])
def test_a_line_holds_nothing_that_breaks_it(line: str) -> None:
    assert texts.problem_of_line(line) == "must be 1 to 255 characters in one line"


def test_a_text_has_bounds() -> None:
    assert texts.problem_of_text("a\n\tb") is None is texts.problem_of_text("")
    for text in ("abcd", "\0", "\ud800"):
        assert texts.problem_of_text(text, most=3) is not None
    assert texts.problem_of_text(" \n", least=1) is not None
    assert texts.problem_of_text(None, least=1) is None


@pytest.mark.parametrize("labels", [["a,b"], [""], ["x" * 256], [str(n) for n in range(101)]])
def test_not_everything_is_a_label(labels: list[str]) -> None:
    assert texts.problem_of_labels(labels) is not None
    assert texts.problem_of_labels(["a", "b"]) is None


def test_every_problem_is_told_at_once() -> None:
    texts.check({"a": None})
    with pytest.raises(InvalidFieldsError) as refused:
        texts.check({"a": "x", "b": None, "c": texts.required(None)})
    assert refused.value.fields == {"a": "x", "c": "is required"}
