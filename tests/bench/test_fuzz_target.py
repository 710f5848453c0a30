from collections.abc import Iterator

import pytest

from tests.bench.fuzz_target import WAYS, Target
from tests.forging import good


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    made = Target()
    yield made
    made.close()


def test_everything_that_the_fuzzer_begins_with_is_refused_or_good(target: Target) -> None:
    seeds = target.seeds()
    assert len(seeds) > 150
    for seed in (b"", *seeds):
        target.take(seed)


def test_every_way_is_taken(target: Target) -> None:
    found = {bytes(target.lines(bytes([way]) + b"\x01x")[0][1])[:30] for way in range(WAYS)}
    assert len(found) >= WAYS - 1
    assert target.lines(b"\x03\x01x") != target.lines(b"\x03\x02x")


def test_the_target_notices_what_is_let_in(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target, "_good", "another")
    with pytest.raises(AssertionError, match="nobody made"):
        target.take(b"\x00Bearer " + good().encode())
