"""Signing keys: how one is named, what is published of it, and its states."""

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Literal

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from gateway.contract.claims import ALGORITHM

KeyState = Literal["next", "current", "retired", "dead"]

RSA_BITS = 2048
RSA_EXPONENT = 65537


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """The published half of a signing key."""

    kid: str
    n: str
    e: str

    def jwk(self) -> dict[str, str]:
        """As an entry of a JSON Web Key Set (RFC 7517)."""
        return {
            "kty": "RSA",
            "kid": self.kid,
            "n": self.n,
            "e": self.e,
            "use": "sig",
            "alg": ALGORITHM,
        }


def generate_key() -> rsa.RSAPrivateKey:
    """A fresh signing key; takes up to a second."""
    return rsa.generate_private_key(public_exponent=RSA_EXPONENT, key_size=RSA_BITS)


def public_half(key: rsa.RSAPrivateKey) -> PublicKey:
    """What is published, named by its RFC 7638 thumbprint."""
    numbers = key.public_key().public_numbers()
    n, e = _base64url_number(numbers.n), _base64url_number(numbers.e)
    canonical = json.dumps({"e": e, "kty": "RSA", "n": n}, separators=(",", ":"), sort_keys=True)
    thumbprint = hashlib.sha256(canonical.encode()).digest()
    return PublicKey(kid=_base64url(thumbprint), n=n, e=e)


def private_bytes(key: rsa.RSAPrivateKey) -> bytes:
    """The key as PKCS #8 DER, in clear: to be sealed at once."""
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def private_key(text: bytes) -> rsa.RSAPrivateKey:
    """What `private_bytes` made."""
    key = load_der_private_key(text, password=None)
    assert isinstance(key, rsa.RSAPrivateKey)  # noqa: S101  # we made it
    return key


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _base64url_number(number: int) -> str:
    return _base64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))
