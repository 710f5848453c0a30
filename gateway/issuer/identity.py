"""Who this gateway is: its two key pairs, made once and kept in its state folder."""

import base64
import hashlib
import json
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import jwt
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.contract.feed import API_KEY_CONTEXT, ASSERTION_ALGORITHM, ASSERTION_LIFE_S
from gateway.errors import StateError
from gateway.issuer.private_files import write_private

SIGNING_FILE = "signing.pem"
SEALING_FILE = "sealing.pem"
NONCE_BYTES = 12
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def encode(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """The bytes of `encode`'s text; ValueError for anything else."""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The gateway's private keys; `repr` shows the id only."""

    gateway_id: str
    signing: Ed25519PrivateKey = field(repr=False)
    sealing: X25519PrivateKey = field(repr=False)

    def public_halves(self) -> dict[str, str]:
        """What an instance registers: the id and both public keys, base64url."""
        return {
            "gateway_id": self.gateway_id,
            "signing_key": encode(self.signing.public_key().public_bytes_raw()),
            "sealing_key": encode(self.sealing.public_key().public_bytes_raw()),
        }

    def assertion(self, *, instance_id: str, now: float, jti: str | None = None) -> str:
        """A proof for one request to the instance, good for a minute; `jti` is a fresh one."""
        claims = {
            "iss": self.gateway_id,
            "sub": self.gateway_id,
            "aud": instance_id,
            "iat": int(now),
            "exp": int(now) + ASSERTION_LIFE_S,
            "jti": jti or secrets.token_hex(16),
        }
        headers = {"kid": self.gateway_id}
        return jwt.encode(claims, self.signing, algorithm=ASSERTION_ALGORITHM, headers=headers)

    def open_api_key(self, sealed: str, *, ref: str) -> str:
        """The API key that the instance sealed to this gateway for the model `ref`.

        Raises:
            StateError: it was sealed to another gateway, for another model, or changed.
        """
        try:
            info = API_KEY_CONTEXT + ref.encode()
            return _SUITE.decrypt(decode(sealed), self.sealing, info=info).decode()
        except (InvalidTag, ValueError) as cause:
            raise StateError(reason=f"the API key of {ref} does not open") from cause

    def _state_cipher(self, name: str) -> AESGCM:
        derive = HKDF(
            SHA256(), length=32, salt=None, info=b"casemate gateway state " + name.encode()
        )
        return AESGCM(derive.derive(self.sealing.private_bytes_raw()))

    def seal_state(self, name: str, content: bytes) -> bytes:
        """Encrypts a state file, so that a copied disk shows nothing without the key file."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._state_cipher(name).encrypt(nonce, content, name.encode())

    def open_state(self, name: str, sealed: bytes) -> bytes:
        """The content of `seal_state`; StateError when it was changed or is another gateway's."""
        try:
            nonce, rest = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
            return self._state_cipher(name).decrypt(nonce, rest, name.encode())
        except (InvalidTag, ValueError) as cause:
            raise StateError(reason=f"the state file {name} does not open") from cause


def thumbprint(signing: Ed25519PrivateKey) -> str:
    """RFC 7638 thumbprint of the public half: the gateway's id."""
    public = encode(signing.public_key().public_bytes_raw())
    members = {"crv": "Ed25519", "kty": "OKP", "x": public}
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":"))
    return encode(hashlib.sha256(canonical.encode()).digest())


def load_identity(folder: Path) -> Identity:
    """Reads the key pairs.

    Raises:
        StateError: a key file is missing or is not what it should be.
    """
    signing = _read_key(folder / SIGNING_FILE)
    sealing = _read_key(folder / SEALING_FILE)
    if not isinstance(signing, Ed25519PrivateKey) or not isinstance(sealing, X25519PrivateKey):
        raise StateError(reason=f"the key files in {folder} are not Ed25519 and X25519")
    return Identity(gateway_id=thumbprint(signing), signing=signing, sealing=sealing)


def make_identity(folder: Path) -> Identity:
    """Reads the key pairs, after making those that are missing (folder 0700, files 0600)."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_key(folder / SIGNING_FILE, Ed25519PrivateKey.generate)
    _write_key(folder / SEALING_FILE, X25519PrivateKey.generate)
    return load_identity(folder)


def _write_key(path: Path, make: Callable[[], Ed25519PrivateKey | X25519PrivateKey]) -> None:
    if path.exists():
        return
    pem = make().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_private(path, pem)


def _read_key(path: Path) -> object:
    try:
        return serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError) as cause:
        hint = "run `python -m gateway keys`"
        raise StateError(reason=f"the key file {path} is missing or broken: {hint}") from cause
