from pathlib import Path

import pytest

from gateway.errors import StateError
from gateway.issuer.identity import Identity, decode, encode, load_identity, make_identity
from tests.builders import a_sealed_api_key


def test_making_the_keys_again_changes_nothing(tmp_path: Path) -> None:
    first = make_identity(tmp_path / "gateway")
    again = make_identity(tmp_path / "gateway")
    assert first.public_halves() == again.public_halves()


def test_only_the_owner_can_read_the_keys(tmp_path: Path) -> None:
    make_identity(tmp_path / "gateway")
    for path in [tmp_path / "gateway", *(tmp_path / "gateway").iterdir()]:
        assert path.stat().st_mode & 0o077 == 0


def test_missing_or_broken_key_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"signing\.pem"):
        load_identity(tmp_path)
    make_identity(tmp_path)
    (tmp_path / "sealing.pem").write_text("broken")
    with pytest.raises(StateError, match=r"sealing\.pem"):
        load_identity(tmp_path)


def test_swapped_key_files_are_refused(tmp_path: Path) -> None:
    make_identity(tmp_path)
    (tmp_path / "sealing.pem").write_bytes((tmp_path / "signing.pem").read_bytes())
    with pytest.raises(StateError):
        load_identity(tmp_path)


def test_an_api_key_opens_for_its_model_only(identity: Identity) -> None:
    sealed = a_sealed_api_key(identity.sealing.public_key(), ref="demo", api_key="k")
    assert identity.open_api_key(sealed, ref="demo") == "k"
    for text, ref in ((sealed, "other"), (sealed[:-4] + "AAAA", "demo"), ("", "demo"), ("!", "x")):
        with pytest.raises(StateError):
            identity.open_api_key(text, ref=ref)


def test_sealed_state_opens_under_its_name_only(identity: Identity) -> None:
    sealed = identity.seal_state("feed", b"content")
    assert identity.open_state("feed", sealed) == b"content"
    for name, blob in (("key_set", sealed), ("feed", sealed[:-1]), ("feed", b"")):
        with pytest.raises(StateError):
            identity.open_state(name, blob)


def test_the_private_keys_do_not_show(identity: Identity) -> None:
    assert "PrivateKey" not in repr(identity)


@pytest.mark.parametrize("raw", [b"", b"a", b"ab", b"\xff\xfe\xfd"])
def test_base64url_comes_back(raw: bytes) -> None:
    assert decode(encode(raw)) == raw
