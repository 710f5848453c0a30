"""Seals an API key to one gateway."""

import base64

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from gateway.contract import feed

_suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def seal_api_key(api_key: str, *, ref: str, sealing_key: bytes) -> str:
    """The API key, for the eyes of one gateway and for one model; base64url without padding.

    Raises:
        ValueError: nothing can be sealed to that key.
    """
    sealed = _suite.encrypt(
        api_key.encode(),
        X25519PublicKey.from_public_bytes(sealing_key),
        info=feed.API_KEY_CONTEXT + ref.encode(),
    )
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()
