from dataclasses import replace
from pathlib import Path

import pytest

from install.errors import SettingError
from install.places import Places, make_folders, make_socket_folder


def test_the_sockets_path_is_short_whatever_the_home(tmp_path: Path) -> None:
    long = Places(home=tmp_path / ("x" * 200), uid=1000)
    assert len(bytes(long.socket)) < 107
    assert long.socket != Places(home=tmp_path / "y", uid=1000).socket
    assert long.socket == replace(long).socket


def test_folders_with_secrets_are_for_their_owner_only(places: Places) -> None:
    make_folders(places)
    for folder in (places.run, places.credentials, places.model_state, places.home / "gateway"):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_a_sockets_folder_open_to_others_is_refused(places: Places) -> None:
    make_socket_folder(places)
    places.socket_folder.chmod(0o755)
    with pytest.raises(SettingError, match="open to others"):
        make_socket_folder(places)


def test_a_link_in_the_place_of_the_sockets_folder_is_refused(
    places: Places, tmp_path: Path
) -> None:
    places.socket_folder.symlink_to(tmp_path)
    try:
        with pytest.raises(SettingError):
            make_socket_folder(places)
    finally:
        places.socket_folder.unlink()
