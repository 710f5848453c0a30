"""Writes and reads licence files and the keys behind them, as the instance knows them."""

import base64
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from install.errors import SettingError

LICENCE = "casemate_licence"
AUTHORITY = "casemate_authority"
CONTEXTS = {LICENCE: b"casemate licence 1\n", AUTHORITY: b"casemate authority 1\n"}
GRACE_DAYS = 14
MAX_FILE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """The public half of an authority's key, in base64url, and its name."""

    public_key: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddOn:
    """One line of a licence; `ends_on` is the first day without it."""

    name: str
    quantity: int
    starts_on: date
    ends_on: date
    grace_days: int = GRACE_DAYS
    accompanies: str | None = None
    namespace: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """As the file has it."""
        return {
            "name": self.name,
            "quantity": self.quantity,
            "starts_on": self.starts_on.isoformat(),
            "ends_on": self.ends_on.isoformat(),
            "grace_days": self.grace_days,
            "accompanies": self.accompanies,
            "namespace": self.namespace,
        }


def new_key(path: Path) -> PublicKey:
    """Makes an authority's private key; the file is for its owner only and never replaced.

    Raises:
        SettingError: there is a file already, or none can be made there.
    """
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as cause:
        sentence = f"No key can be written to {path}: {cause.strerror}."
        raise SettingError(sentence) from cause
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    return _named(key.public_key())


def public_half(path: Path) -> PublicKey:
    """The public half of the private key in a file.

    Raises:
        SettingError: there is no such key.
    """
    return _named(_private_key(path).public_key())


def fingerprint_of(public_key: str) -> str:
    """The name of an authority's public key in base64url.

    Raises:
        SettingError: that is no key.
    """
    return _named(_public_key(public_key)).fingerprint


def issue(key: Path, *, instance_id: str, licensee: str, add_ons: Sequence[AddOn]) -> str:
    """A licence's text, with a fresh serial.

    Raises:
        SettingError: there is no such key, or something that no licence can say.
    """
    _check(instance_id, add_ons)
    document = {
        "serial": str(uuid4()),
        "instance_id": instance_id,
        "licensee": licensee,
        "issued_at": _now(),
        "add_ons": [add_on.as_dict() for add_on in add_ons],
    }
    return _signed(LICENCE, document, key)


def hand_over(key: Path, *, to: str) -> str:
    """The text with which the authority of `key` hands over to the one with that public key.

    Raises:
        SettingError: there is no such key.
    """
    return _signed(
        AUTHORITY, {"new_key": _named(_public_key(to)).public_key, "issued_at": _now()}, key
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What a licence says, and whether its signature is good; None when it was not checked."""

    document: dict[str, Any]
    authority: str
    is_good: bool | None

    def as_dict(self) -> dict[str, Any]:
        """As scripts read it."""
        return {"signature": self.verdict, "authority": self.authority, **self.document}

    @property
    def verdict(self) -> str:
        """The same in a word."""
        return {True: "good", False: "bad", None: "unchecked"}[self.is_good]


def inspect(text: str, *, public_key: str | None) -> Inspection:
    """Reads a licence; the signature is checked against a key in base64url.

    Raises:
        SettingError: it is no licence, or that is no key.
    """
    key = _public_key(public_key) if public_key is not None else None
    try:
        envelope = json.loads(text[: MAX_FILE_BYTES + 1])
        signed, signature = _decoded(envelope["document"]), _decoded(envelope["signature"])
        document, authority = json.loads(signed), str(envelope["authority"])
        is_licence = envelope[LICENCE] == 1 and isinstance(document["add_ons"], list)
    except (ValueError, KeyError, TypeError) as cause:
        sentence = "This is no licence file that this release can read."
        raise SettingError(sentence) from cause
    if not is_licence:
        sentence = "This is a licence file of another release."
        raise SettingError(sentence)
    is_good = None if key is None else _is_signed(key, CONTEXTS[LICENCE] + signed, signature)
    if key is not None and authority != _named(key).fingerprint:
        is_good = False
    return Inspection(document=document, authority=authority, is_good=is_good)


def state_of(line: dict[str, Any], *, on: date) -> str:
    """Whether a licence's line is `future`, `active`, in `grace` or `expired` on that day."""
    starts_on, ends_on = (date.fromisoformat(line[name]) for name in ("starts_on", "ends_on"))
    if on < starts_on:
        return "future"
    if on < ends_on:
        return "active"
    grace = timedelta(days=line.get("grace_days", GRACE_DAYS))
    return "grace" if on < ends_on + grace else "expired"


def _check(instance_id: str, add_ons: Sequence[AddOn]) -> None:
    problems = []
    try:
        UUID(instance_id)
    except ValueError:
        problems.append("The instance's id is no UUID; `casemate licence list` says it.")
    if not add_ons:
        problems.append("A licence needs at least one add-on.")
    for add_on in add_ons:
        if not add_on.starts_on < add_on.ends_on:
            problems.append(f"{add_on.name} must end after it starts.")
        if add_on.quantity < 1:
            problems.append(f"{add_on.name} must be bought at least once.")
    if problems:
        raise SettingError(" ".join(problems))


def _signed(kind: str, document: dict[str, Any], path: Path) -> str:
    key = _private_key(path)
    body = json.dumps(document, ensure_ascii=False).encode()
    envelope = {
        kind: 1,
        "document": _encoded(body),
        "signature": _encoded(key.sign(CONTEXTS[kind] + body)),
        "authority": _named(key.public_key()).fingerprint,
    }
    return json.dumps(envelope, indent=2) + "\n"


def _is_signed(key: Ed25519PublicKey, signed: bytes, signature: bytes) -> bool:
    try:
        key.verify(signature, signed)
    except InvalidSignature:
        return False
    return True


def _private_key(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as cause:
        sentence = f"{path} holds no private key of a licence authority that can be read."
        raise SettingError(sentence) from cause
    if not isinstance(key, Ed25519PrivateKey):
        sentence = f"{path} holds a key of another kind than a licence authority's."
        raise SettingError(sentence)
    return key


def _public_key(text: str) -> Ed25519PublicKey:
    try:
        return Ed25519PublicKey.from_public_bytes(_decoded(text.strip()))
    except ValueError as cause:
        sentence = "A licence authority's public key is 32 bytes in base64url."
        raise SettingError(sentence) from cause


def _named(key: Ed25519PublicKey) -> PublicKey:
    raw = key.public_bytes_raw()
    fingerprint = f"SHA256:{_encoded(hashlib.sha256(raw).digest())}"
    return PublicKey(public_key=_encoded(raw), fingerprint=fingerprint)


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
