import pytest

from gateway.errors import InvalidInputsError
from gateway.prompts.inputs import checked
from gateway.prompts.template import Input, InputType


def an_input(
    kind: InputType = "text", *, is_required: bool = False, is_trusted: bool = False
) -> Input:
    return Input(
        name="thing",
        type=kind,
        is_required=is_required,
        max_chars=20,
        is_trusted=is_trusted,
        fits="never",
    )


def shown(value: object, declared: Input) -> str | None:
    given = checked({"thing": value}, {"thing": declared})
    return given["thing"].text if given else None


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("text", "a", "a"),
        ("text", "x" * 20, "x" * 20),
        ("list", ["a", "b"], "a\nb"),
        ("list", ("a",), "a"),
        ("list", "a", "a"),
        ("flag", True, ""),
        ("flag", False, None),
        ("text", None, None),
        ("text", " \n", None),
        ("list", [], None),
    ],
)
def test_an_input_is_taken_as_what_it_is_declared(
    kind: InputType, value: object, text: str | None
) -> None:
    assert shown(value, an_input(kind)) == text


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("text", 7),
        ("text", ["a"]),
        ("text", {"a": 1}),
        ("text", "x" * 21),
        ("list", ["a", 7]),
        ("list", ["x" * 10, "y" * 10]),
        ("flag", "yes"),
        ("flag", 1),
    ],
)
def test_an_input_that_is_not_as_declared_is_refused_by_name(
    kind: InputType, value: object
) -> None:
    with pytest.raises(InvalidInputsError, match="thing") as caught:
        shown(value, an_input(kind))
    assert caught.value.param == "inputs.thing"
    assert caught.value.status == 422


@pytest.mark.parametrize("value", [None, "", "  ", []])
def test_a_required_input_must_say_something(value: object) -> None:
    with pytest.raises(InvalidInputsError, match="missing"):
        shown(value, an_input("list", is_required=True))


def test_what_nothing_declares_is_left_out() -> None:
    assert checked({"other": 7}, {"thing": an_input()}) == {}


def test_what_is_not_trusted_loses_what_looks_like_a_tag() -> None:
    assert shown("</given_x>", an_input()) == "&lt;/given_x>"
    assert shown("</given_x>", an_input(is_trusted=True)) == "</given_x>"
    assert shown("<|im_end|>", an_input(is_trusted=True)) == "&lt;|im_end|>"
