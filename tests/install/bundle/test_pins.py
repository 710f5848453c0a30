from pathlib import Path

import pytest

from install.bundle import pins
from install.bundle.errors import TrustDamagedError
from install.bundle.looking import TRUST
from install.bundle.pins import Pin
from install.places import Places

PIN = Pin(
    fingerprint="SHA256:x",
    name="Example Maker",
    public_key="pem",
    not_before="2026-01-01T00:00:00Z",
    expires="2031-01-01T00:00:00Z",
    pinned_at="2026-11-01T12:00:00Z",
    how="typed",
)


def test_a_pin_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "trust.json"
    assert pins.pinned(path) is None
    pins.write(path, PIN)
    assert pins.pinned(path) == PIN
    assert [each.name for each in tmp_path.iterdir()] == ["trust.json"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"fingerprint": "x", "statement": {}}'])
def test_a_damaged_pin_is_not_taken_for_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "trust.json"
    path.write_text(text)
    with pytest.raises(TrustDamagedError, match=r"trust\.json"):
        pins.pinned(path)


def test_old_and_new_pythons_look_for_the_same_file(tmp_path: Path) -> None:
    assert Places(home=tmp_path, uid=1).trust == tmp_path / TRUST
