import stat
from pathlib import Path

import pytest

from install.bundle import pins
from install.bundle.errors import TrustDamagedError, TrustUnreadableError
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


def test_whoever_looks_at_a_bundle_may_read_whom_the_box_trusts(tmp_path: Path) -> None:
    path = tmp_path / "trust.json"
    pins.write(path, PIN)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_pin_that_is_not_ones_own_to_read_is_not_a_damaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_path: Path, _encoding: str) -> str:
        raise PermissionError

    # Root, who may run the tests, reads everything.
    monkeypatch.setattr(Path, "read_text", refused)
    with pytest.raises(TrustUnreadableError, match=r"trust\.json.* may not be read"):
        pins.pinned(tmp_path / "trust.json")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"fingerprint": "x", "statement": {}}'])
def test_a_damaged_pin_is_not_taken_for_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "trust.json"
    path.write_text(text)
    with pytest.raises(TrustDamagedError, match=r"trust\.json"):
        pins.pinned(path)


def test_old_and_new_pythons_look_for_the_same_file(tmp_path: Path) -> None:
    assert Places(home=tmp_path, uid=1).trust == tmp_path / TRUST
