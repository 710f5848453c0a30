from pathlib import Path

from install.building import licences, wheels
from install.building.wheels import About
from tests.install.building.builders import a_wheel


def an_about(name: str = "one", *, licence: str | None = "MIT", texts: int = 1) -> About:
    paths = tuple(f"LICENSE{number}" for number in range(texts))
    return About(name=name, version="1.0", licence=licence, is_expression=True, texts=paths)


def test_the_table_has_each_package_once_in_order() -> None:
    lines = licences.table([an_about("two"), an_about("one"), an_about("two")]).splitlines()
    assert lines[-2:] == ["| one | 1.0 | MIT | 1 |", "| two | 1.0 | MIT | 1 |"]


def test_what_a_wheel_does_not_say_is_told() -> None:
    said = licences.table([an_about(licence=None, texts=0)])
    assert "| one | 1.0 | not said | **none in the wheel** |" in said


def test_a_licence_that_would_break_the_table_does_not() -> None:
    assert "| MIT/BSD |" in licences.table([an_about(licence="MIT|BSD")])


def test_a_text_that_is_the_same_is_not_written_again(tmp_path: Path) -> None:
    path = "wheels/services/one-1.0-py3-none-any.whl"
    wheel = a_wheel(tmp_path / "found", "one", files={"LICENSE": "text"})
    described = {path: wheels.about(wheel)}
    found = licences.gather(described, {path: wheel}, tmp_path / "work")
    before = {name: each.stat().st_mtime_ns for name, each in found.items()}
    again = licences.gather(described, {path: wheel}, tmp_path / "work")
    assert {name: each.stat().st_mtime_ns for name, each in again.items()} == before
    assert sorted(found) == ["docs/LICENCES.md", "licences/one-1.0/LICENSE"]


def test_a_licence_without_a_name_is_in_its_text() -> None:
    assert "| one | 1.0 | not named; see its text | 1 |" in licences.table([an_about(licence=None)])
