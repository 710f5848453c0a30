from itertools import islice
from pathlib import Path

import pytest

from install.logs import BLOCK_BYTES, Follower, follow, last_lines
from install.places import Places


@pytest.mark.parametrize("count", [0, 1, 3, 5000, 9000])
def test_the_last_lines_are_the_last_ones_at_any_length(tmp_path: Path, count: int) -> None:
    path = tmp_path / "a.log"
    lines = [f"line {number} {'x' * 40}" for number in range(6000)]
    path.write_text("\n".join(lines) + "\n")
    assert path.stat().st_size > BLOCK_BYTES
    assert last_lines(path, count) == (lines[-count:] if count else [])


def test_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert last_lines(tmp_path / "none.log", 5) == []


def test_new_lines_are_followed_across_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("old\n")
    follower = Follower(path)
    with path.open("a") as file:
        file.write("one\nhal")
    assert follower.lines() == ["one"]
    with path.open("a") as file:
        file.write("f\n")
    path.rename(tmp_path / "a.log.1")
    path.write_text("new\n")
    assert follower.lines() == ["half", "new"]
    path.unlink()
    assert follower.lines() == []
    follower.close()


def test_a_log_that_comes_later_is_followed_from_its_start(places: Places) -> None:
    def write(_seconds: float) -> None:
        (places.logs / "gateway.log").write_text("first\n")

    found = follow(places, ["gateway"], sleep=write)
    assert list(islice(found, 1)) == [("gateway", "first")]
    found.close()  # type: ignore[attr-defined]
