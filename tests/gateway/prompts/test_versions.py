import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.prompts.versions import BadVersionError, Version, parse_constraint

numbers = st.integers(min_value=0, max_value=30)


@pytest.mark.parametrize(
    ("constraint", "admitted", "refused"),
    [
        ("1.2.3", ["1.2.3"], ["1.2.4", "1.2.3-rc.1"]),
        ("=1.2.3", ["1.2.3"], ["1.2.4"]),
        ("1.2", ["1.2.0", "1.2.9"], ["1.3.0", "1.1.9"]),
        ("^1.0.0", ["1.0.0", "1.9.9"], ["2.0.0", "0.9.9", "1.1.0-rc.1"]),
        ("^1", ["1.0.0", "1.9.9"], ["2.0.0"]),
        ("^0.2.3", ["0.2.3", "0.2.9"], ["0.3.0", "0.2.2"]),
        ("^0.0.3", ["0.0.3"], ["0.0.4"]),
        ("^0.0", ["0.0.9"], ["0.1.0"]),
        ("~1.2", ["1.2.0", "1.2.9"], ["1.3.0"]),
        ("~1.2.3", ["1.2.3", "1.2.9"], ["1.2.2", "1.3.0"]),
        ("~1", ["1.0.0", "1.9.0"], ["2.0.0"]),
        (">=1.0.0 <2.0.0", ["1.0.0", "1.9.9"], ["2.0.0", "0.9.9"]),
        (">= 1.0.0, < 2.0.0", ["1.0.0"], ["2.0.0"]),
        (">1.0.0", ["1.0.1"], ["1.0.0"]),
        (">1.0", ["1.1.0"], ["1.0.9"]),
        ("<=1.0.0", ["1.0.0", "0.1.0"], ["1.0.1"]),
        ("<=1.0", ["1.0.9"], ["1.1.0"]),
        ("*", ["0.0.1", "9.9.9"], ["1.0.0-rc.1"]),
        ("", ["1.0.0"], []),
        ("1.0.0-rc.1", ["1.0.0-rc.1"], ["1.0.0", "1.0.0-rc.2"]),
    ],
)
def test_a_constraint_admits_as_semantic_versioning_says(
    constraint: str, admitted: list[str], refused: list[str]
) -> None:
    wanted = parse_constraint(constraint)
    assert [each for each in admitted if not wanted.admits(Version.parse(each))] == []
    assert [each for each in refused if wanted.admits(Version.parse(each))] == []


@pytest.mark.parametrize(
    "text",
    [
        "latest",
        "v1.0.0",
        "1.0.0.0",
        "^",
        "1.x",
        ">=1.0.0 || <0.5.0",
        "01.0.0",
        ",",
        "1" * 300,
        "-1",
    ],
)
def test_what_is_no_constraint_is_refused(text: str) -> None:
    with pytest.raises(BadVersionError):
        parse_constraint(text)


@pytest.mark.parametrize("text", ["1", "1.0", "1.0.0 ", "1.0.0-", "1.0.0-RC", "a.b.c", ""])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(BadVersionError):
        Version.parse(text)


@given(core=st.tuples(numbers, numbers, numbers), other=st.tuples(numbers, numbers, numbers))
def test_a_caret_keeps_the_first_number_that_counts(
    core: tuple[int, int, int], other: tuple[int, int, int]
) -> None:
    version, candidate = Version(core=core), Version(core=other)
    assert Version.parse(str(version)) == version
    counting = next((index for index, number in enumerate(core) if number), 2)
    same = other[: counting + 1] == core[: counting + 1]
    assert parse_constraint(f"^{version}").admits(candidate) == (other >= core and same)


def test_a_finished_version_is_above_every_trial() -> None:
    texts = ["2.0.0-rc.1", "1.0.0", "1.10.0", "1.9.0"]
    ranked = sorted((Version.parse(each) for each in texts), key=lambda each: each.rank)
    assert [str(each) for each in ranked] == ["2.0.0-rc.1", "1.0.0", "1.9.0", "1.10.0"]
