import base64

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from appliance.gateway_feed import rules
from gateway.contract.feed import API_KEY_CONTEXT
from tests.instance_builders import GatewayKeys

KEYS = GatewayKeys()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_an_api_key_opens_for_its_gateway_and_model_only() -> None:
    suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    sealed = _decode(rules.seal_api_key("sk", ref="tiny", sealing_key=KEYS.sealing_public))
    assert suite.decrypt(sealed, KEYS.sealing, info=API_KEY_CONTEXT + b"tiny") == b"sk"
    with pytest.raises(InvalidTag):
        suite.decrypt(sealed, KEYS.sealing, info=API_KEY_CONTEXT + b"other")
    with pytest.raises(InvalidTag):
        suite.decrypt(sealed, GatewayKeys().sealing, info=API_KEY_CONTEXT + b"tiny")
