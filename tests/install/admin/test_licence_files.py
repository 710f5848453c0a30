import json
import stat
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from appliance.licensing import rules
from install.admin import licence_files
from install.admin.licence_files import AddOn, PublicKey
from install.errors import SettingError
from tests.licence_builders import INSTANCE_ID, a_line

NOW = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "authority.pem"
    licence_files.new_key(path)
    return path


def an_add_on(**changes: Any) -> AddOn:
    fields = {"name": "duo_enterprise", "quantity": 50, "starts_on": date(2026, 1, 1)}
    return AddOn(**{**fields, "ends_on": date(2027, 1, 1), **changes})


def issued(key: Path, *add_ons: AddOn, licensee: str = "Müller & Söhne") -> str:
    lines = add_ons or (an_add_on(),)
    return licence_files.issue(key, instance_id=INSTANCE_ID, licensee=licensee, add_ons=lines)


def trusted(key: PublicKey, *, is_demo: bool = False) -> rules.Authority:
    return rules.authority_of(key.public_key, is_demo=is_demo)


def test_a_key_is_for_its_owner_only_and_never_replaced(key: Path) -> None:
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    before = key.read_bytes()
    with pytest.raises(SettingError, match="File exists"):
        licence_files.new_key(key)
    assert key.read_bytes() == before


def test_a_keys_public_half_can_be_shown_again(tmp_path: Path) -> None:
    made = licence_files.new_key(tmp_path / "k")
    assert licence_files.public_half(tmp_path / "k") == made
    assert trusted(made).fingerprint == made.fingerprint


def test_the_instance_reads_what_is_issued_here(key: Path) -> None:
    shm = an_add_on(
        name="duo_self_hosted", accompanies="duo_enterprise", grace_days=0, namespace="alpha"
    )
    text = issued(key, an_add_on(), shm)
    authority = trusted(licence_files.public_half(key))
    document = rules.read_licence(text, trusted=authority, instance_id=INSTANCE_ID).document
    assert document.licensee == "Müller & Söhne"
    first, second = document.add_ons
    assert (first.name, first.quantity, first.grace_days) == ("duo_enterprise", 50, 14)
    assert (first.starts_on, first.ends_on) == (date(2026, 1, 1), date(2027, 1, 1))
    assert (second.accompanies, second.namespace, second.grace_days) == (
        "duo_enterprise",
        "alpha",
        0,
    )


def test_the_instance_follows_a_hand_over_made_here(key: Path, tmp_path: Path) -> None:
    heir = licence_files.new_key(tmp_path / "heir.pem")
    text = licence_files.hand_over(key, to=heir.public_key)
    old = trusted(licence_files.public_half(key))
    assert rules.read_change(text, trusted=old) == trusted(heir)


def test_every_licence_has_a_serial_of_its_own(key: Path) -> None:
    serials = {
        licence_files.inspect(issued(key), public_key=None).document["serial"] for _ in range(3)
    }
    assert len(serials) == 3


def test_a_signature_is_good_bad_or_unchecked(key: Path, tmp_path: Path) -> None:
    text, own = issued(key), licence_files.public_half(key).public_key
    other = licence_files.new_key(tmp_path / "other").public_key
    changed = json.dumps({**json.loads(text), "signature": "AAAA"})
    for given, public_key, verdict in (
        (text, own, "good"),
        (text, other, "bad"),
        (changed, own, "bad"),
        (text, None, "unchecked"),
    ):
        assert licence_files.inspect(given, public_key=public_key).verdict == verdict


def test_another_name_of_the_authority_makes_a_signature_bad(key: Path) -> None:
    renamed = json.dumps({**json.loads(issued(key)), "authority": "SHA256:x"})
    own = licence_files.public_half(key).public_key
    assert licence_files.inspect(renamed, public_key=own).verdict == "bad"


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"document": "e30", "signature": "", "authority": ""}']
)
def test_what_is_no_licence_is_told(text: str) -> None:
    with pytest.raises(SettingError, match="no licence file"):
        licence_files.inspect(text, public_key=None)


def test_a_licence_of_another_release_is_told(key: Path) -> None:
    text = json.dumps({**json.loads(issued(key)), licence_files.LICENCE: 2})
    with pytest.raises(SettingError, match="another release"):
        licence_files.inspect(text, public_key=None)


@pytest.mark.parametrize(
    "day", ["2025-12-31", "2026-01-01", "2027-12-31", "2028-01-01", "2028-01-15"]
)
def test_both_sides_call_the_state_of_a_line_alike(day: str) -> None:
    line = rules.AddOnLine(
        name="x", quantity=1, starts_on=date(2026, 1, 1), ends_on=date(2028, 1, 1)
    )
    on = date.fromisoformat(day)
    at = datetime(on.year, on.month, on.day, tzinfo=UTC)
    assert licence_files.state_of(a_line(), on=on) == line.item(1).state(at)


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"ends_on": date(2026, 1, 1)}, "end after"), ({"quantity": 0}, "at least once")],
)
def test_what_no_licence_can_say_is_not_signed(
    key: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(SettingError, match=words):
        issued(key, an_add_on(**changes))


def test_a_licence_needs_an_instance_and_something_bought(key: Path) -> None:
    with pytest.raises(SettingError, match=r"no UUID.*at least one"):
        licence_files.issue(key, instance_id="i", licensee="x", add_ons=())


def test_what_is_no_key_is_told(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with pytest.raises(SettingError, match="no private key"):
        licence_files.public_half(path)
    other = X25519PrivateKey.generate()
    path.write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(SettingError, match="another kind"):
        licence_files.public_half(path)
    with pytest.raises(SettingError, match="32 bytes"):
        licence_files.hand_over(path, to="AAAA")
