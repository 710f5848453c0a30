from pathlib import Path

import pytest

from appliance.storage.engine import Db
from appliance.storage.sealing import (
    MasterKeyMissingError,
    MasterKeyUnreadableError,
    MasterKeyWrongError,
    Place,
    SealBrokenError,
    Sealer,
    check_master_key,
    create_master_key,
    ensure_master_key_check,
    is_sealed,
)

PLACE = Place(table="models", column="api_key", row=1)


def test_what_is_sealed_opens_where_it_was_sealed(sealer: Sealer) -> None:
    assert sealer.unseal(sealer.seal(b"secret", PLACE), PLACE) == b"secret"


def test_two_seals_of_the_same_text_differ(sealer: Sealer) -> None:
    assert sealer.seal(b"secret", PLACE) != sealer.seal(b"secret", PLACE)


@pytest.mark.parametrize(
    "place",
    [
        Place(table="other", column="api_key", row=1),
        Place(table="models", column="other", row=1),
        Place(table="models", column="api_key", row=2),
    ],
)
def test_a_sealed_value_opens_nowhere_else(sealer: Sealer, place: Place) -> None:
    with pytest.raises(SealBrokenError):
        sealer.unseal(sealer.seal(b"secret", PLACE), place)


def test_a_changed_or_cut_value_does_not_open(sealer: Sealer) -> None:
    sealed = sealer.seal(b"secret", PLACE)
    for broken in (sealed[:-1] + bytes([sealed[-1] ^ 1]), sealed[:5], b"", b"\x02" + sealed[1:]):
        with pytest.raises(SealBrokenError) as refusal:
            sealer.unseal(broken, PLACE)
        assert "secret" not in str(refusal.value)


def test_keys_of_two_purposes_differ(sealer: Sealer) -> None:
    assert sealer.derive("one") != sealer.derive("two")


def test_a_sealer_does_not_show_its_key(sealer: Sealer) -> None:
    assert "mmm" not in repr(sealer)


def test_the_master_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "master.key"
    assert create_master_key(path)
    text = path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    assert not create_master_key(path)
    assert path.read_bytes() == text
    assert Sealer.from_file(path).derive("x") == Sealer.from_file(path).derive("x")


def test_a_missing_master_key_says_where_it_should_be(tmp_path: Path) -> None:
    with pytest.raises(MasterKeyMissingError, match=r"master\.key"):
        Sealer.from_file(tmp_path / "master.key")


@pytest.mark.parametrize(
    ("mode", "text", "reason"),
    [
        (0o644, b"A" * 43 + b"=", "by others"),
        (0o640, b"A" * 43 + b"=", r"by others \(mode 0640\)"),
        (0o600, b"A" * 22 + b"==", "does not hold"),
        (0o600, b"A" * 44 + b"AAA=", "does not hold"),
        (0o600, bytes(range(256)), "does not hold"),
        (0o600, b"short", "does not hold"),
        (0o600, b"", "does not hold"),
    ],
)
def test_a_doubtful_master_key_is_refused(
    tmp_path: Path, mode: int, text: bytes, reason: str
) -> None:
    path = tmp_path / "master.key"
    path.write_bytes(text)
    path.chmod(mode)
    with pytest.raises(MasterKeyUnreadableError, match=reason):
        Sealer.from_file(path)


def test_a_mounted_master_key_may_have_any_mode(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    create_master_key(path)
    path.chmod(0o444)
    mounted = Sealer.from_file(path, is_mounted=True)
    path.chmod(0o600)
    assert mounted.derive("x") == Sealer.from_file(path).derive("x")


def test_a_folder_in_the_place_of_the_key_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(MasterKeyUnreadableError, match="cannot be read"):
        Sealer.from_file(tmp_path)


def test_a_database_knows_its_master_key(db: Db, sealer: Sealer) -> None:
    db.write_blocking(lambda session: ensure_master_key_check(session, sealer))
    db.write_blocking(lambda session: ensure_master_key_check(session, sealer))
    db.read_blocking(lambda session: check_master_key(session, sealer))
    with pytest.raises(MasterKeyWrongError):
        db.read_blocking(lambda session: check_master_key(session, Sealer(b"x" * 32)))


def test_a_new_database_belongs_to_no_master_key(db: Db, sealer: Sealer) -> None:
    assert not db.read_blocking(is_sealed)
    with pytest.raises(MasterKeyWrongError):
        db.read_blocking(lambda session: check_master_key(session, sealer))
