from pathlib import Path

import pytest

from model_server.credentials import read_api_key
from model_server.errors import SettingsInvalidError


def test_a_key_is_made_once_and_only_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "state" / "api_key"
    key = read_api_key(path)
    assert len(key) >= 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_api_key(path) == key


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "api_key"
    read_api_key(path)
    path.chmod(0o644)
    with pytest.raises(SettingsInvalidError, match="chmod 600"):
        read_api_key(path)


def test_a_mounted_key_may_have_any_mode_and_is_never_made(tmp_path: Path) -> None:
    path = tmp_path / "api_key"
    with pytest.raises(SettingsInvalidError, match="cannot be read"):
        read_api_key(path, is_mounted=True)
    key = read_api_key(path)
    path.chmod(0o444)
    assert read_api_key(path, is_mounted=True) == key


@pytest.mark.parametrize(
    "text", ["", "short", "two words that are long", "l" * 20 + "\nx", "ä" * 20]
)
def test_what_is_no_key_is_refused_without_being_shown(tmp_path: Path, text: str) -> None:
    path = tmp_path / "api_key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(SettingsInvalidError) as refusal:
        read_api_key(path)
    assert not text or text not in str(refusal.value)


def test_a_key_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalidError, match="cannot be read"):
        read_api_key(tmp_path)
