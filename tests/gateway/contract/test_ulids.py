import os

import pytest

from gateway.contract.ulids import is_ulid, make_ulid


def test_the_value_of_the_specification_s_alphabet() -> None:
    assert make_ulid(0, lambda size: b"\0" * size) == "0" * 26
    assert make_ulid(0, lambda size: b"\xff" * size) == "0" * 10 + "Z" * 16
    # The time of the specification's example.
    assert make_ulid(1469918176.385, lambda size: b"\0" * size) == "01ARYZ6S41" + "0" * 16


def test_later_ones_sort_later() -> None:
    made = [make_ulid(1_800_000_000 + step / 1000, os.urandom) for step in range(50)]
    assert made == sorted(made)
    assert all(is_ulid(each) for each in made)


@pytest.mark.parametrize(
    "text",
    ["", "0" * 25, "0" * 27, "8" + "0" * 25, "0" * 25 + "I", "0" * 25 + "a", "0" * 26 + "\n"],
)
def test_what_is_none(text: str) -> None:
    assert not is_ulid(text)
