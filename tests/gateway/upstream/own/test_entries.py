from pathlib import Path

import msgspec
import pytest

from gateway.upstream.own.entries import UnreadableFileError, read_entry, read_lists, repeated


class Thing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    size: int = 1
    parts: tuple[str, ...] = ()


def test_both_ways_of_writing_a_file_say_the_same(tmp_path: Path) -> None:
    toml, json = tmp_path / "a.toml", tmp_path / "a.json"
    toml.write_text('[[things]]\nname = "one"\n')
    json.write_text('{"things": [{"name": "one"}]}')
    said = [read_lists(path, names=("things",)) for path in (toml, json)]
    assert said[0] == said[1] == {"things": [{"name": "one"}]}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.toml", "things = "),
        ("a.json", "things = []"),
        ("a.json", "[]"),
        ("a.json", '{"things": {}}'),
        ("a.json", "[" * 100_000),
        ("a.json", '{"thing": []}'),
        ("a.json", "\x00"),
    ],
)
def test_a_file_of_another_shape_is_refused(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(UnreadableFileError):
        read_lists(path, names=("things",))


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="No such file"):
        read_lists(tmp_path / "a.toml", names=())
    (tmp_path / "a.toml").write_bytes(b"\xff")
    with pytest.raises(UnreadableFileError):
        read_lists(tmp_path / "a.toml", names=())


def test_everything_that_is_wrong_with_an_entry_is_said() -> None:
    entry, problems = read_entry({"size": "x", "parts": [5], "color": "red"}, Thing)
    assert entry is None
    assert problems == [
        "there is no 'color'",
        "name is missing",
        "size: Expected `int`, got `str`",
        "parts: Expected `str`, got `int` - at `$[0]`",
    ]


def test_an_entry_that_is_no_table_is_refused() -> None:
    assert read_entry("x", Thing) == (None, ["Expected `object`, got `str`"])


def test_a_name_that_comes_again_is_told_once() -> None:
    assert list(repeated(["a", "b", "a", "c", "a", "b"])) == ["a", "b"]
