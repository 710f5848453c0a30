"""Seals secrets at rest with keys derived from one master key, whose file never leaves the box."""

import base64
import binascii
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlmodel import Field

from appliance.errors import ApplianceError
from appliance.storage.engine import Row, Session

KEY_BYTES = 32
NONCE_BYTES = 12  # NIST SP 800-38D, the length that AES-GCM is defined for
FORMAT = b"\x01"
CHECK_TEXT = b"casemate master key check"
CHECK_ROW = 1


class MasterKeyMissingError(ApplianceError):
    """There is no master key file."""

    code = "master_key_missing"

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"The master key {path} is missing. Put the file back from where it was kept; on a new "
            "installation run 'python -m appliance init'."
        )


class MasterKeyUnreadableError(ApplianceError):
    """The master key file is there but cannot be trusted or read; `reason` says why."""

    code = "master_key_unreadable"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"The master key {path} {reason}.")


class MasterKeyWrongError(ApplianceError):
    """The master key is not the one that this database was sealed with."""

    code = "master_key_wrong"

    def __init__(self) -> None:
        super().__init__(
            "The master key is not the one this database was sealed with. "
            "Put back the key file that belongs to it."
        )


class SealBrokenError(ApplianceError):
    """A sealed value was changed, moved to another row, or sealed with another key."""

    code = "seal_broken"

    def __init__(self, place: "Place") -> None:
        super().__init__(f"The sealed value in {place.table}.{place.column} cannot be opened.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a sealed value lies; it opens nowhere else."""

    table: str
    column: str
    row: str | int

    @property
    def associated_data(self) -> bytes:
        """What the seal is bound to."""
        return f"{self.table}/{self.column}/{self.row}".encode()


class SealingCheckRow(Row, table=True):
    """One known text under seal: tells at start whether the master key is the right one."""

    __tablename__ = "sealing_checks"

    id: int = Field(primary_key=True)
    sealed_text: bytes


class Sealer:
    """Seals and opens values, and derives a key for each other purpose; shows no key itself."""

    __slots__ = ("_box", "_master")

    def __init__(self, master_key: bytes) -> None:
        self._master = master_key
        self._box = AESGCM(self.derive("seal"))

    @classmethod
    def from_file(cls, path: Path, *, is_mounted: bool = False) -> Self:
        """Reads the master key; one that a container engine mounted may have any mode.

        Raises:
            MasterKeyMissingError: no such file.
            MasterKeyUnreadableError: others may read it, or it holds no key.
        """
        return cls(_read_master_key(path, is_mounted=is_mounted))

    def derive(self, purpose: str) -> bytes:
        """A 32-byte key for `purpose`, independent of those for every other purpose."""
        info = f"casemate {purpose} 1".encode()
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(self._master)

    def seal(self, plain: bytes, place: Place) -> bytes:
        """AES-256-GCM under a fresh nonce, bound to `place`."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return FORMAT + nonce + self._box.encrypt(nonce, plain, place.associated_data)

    def unseal(self, sealed: bytes, place: Place) -> bytes:
        """The plain text.

        Raises:
            SealBrokenError: not what `seal` made for this place with this key.
        """
        nonce, text = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        try:
            if sealed[:1] != FORMAT:
                raise SealBrokenError(place)
            return self._box.decrypt(nonce, text, place.associated_data)
        except (InvalidTag, ValueError) as cause:
            raise SealBrokenError(place) from cause


def create_master_key(path: Path) -> bool:
    """Makes the master key file, mode 0600, unless there is one; tells whether it did."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return True


def _read_master_key(path: Path, *, is_mounted: bool) -> bytes:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_bytes()
    except FileNotFoundError:
        raise MasterKeyMissingError(path) from None
    except OSError as cause:
        raise MasterKeyUnreadableError(path, "cannot be read by this user") from cause
    if mode & 0o077 and not is_mounted:
        reason = f"can be read by others (mode {mode:04o}); run 'chmod 600' on it"
        raise MasterKeyUnreadableError(path, reason)
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        reason = f"does not hold a key ({KEY_BYTES} bytes in base64); put the right file back"
        raise MasterKeyUnreadableError(path, reason)
    return key


def is_sealed(session: Session) -> bool:
    """Whether this database already belongs to a master key."""
    return session.get(SealingCheckRow, CHECK_ROW) is not None


def check_master_key(session: Session, sealer: Sealer) -> None:
    """Passes when `sealer` has the key of this database.

    Raises:
        MasterKeyWrongError: it has another one, or the database has none yet.
    """
    row = session.get(SealingCheckRow, CHECK_ROW)
    if row is None:
        raise MasterKeyWrongError
    try:
        sealer.unseal(row.sealed_text, _CHECK_PLACE)
    except SealBrokenError as cause:
        raise MasterKeyWrongError from cause


def ensure_master_key_check(session: Session, sealer: Sealer) -> None:
    """Ties a new database to the master key; for a known one as `check_master_key`."""
    if is_sealed(session):
        check_master_key(session, sealer)
    else:
        sealed = sealer.seal(CHECK_TEXT, _CHECK_PLACE)
        session.add(SealingCheckRow(id=CHECK_ROW, sealed_text=sealed))
        session.flush()


_CHECK_PLACE = Place(table=SealingCheckRow.__tablename__, column="sealed_text", row=CHECK_ROW)
