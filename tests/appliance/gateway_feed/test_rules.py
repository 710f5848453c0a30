import base64
from datetime import timedelta
from typing import Any

import jwt
import msgspec
import pytest
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from appliance.gateway_feed import rules
from appliance.gateway_feed.errors import (
    AssertionRefusedError,
    GatewayKeyInvalidError,
    ReportRefusedError,
)
from appliance.self_hosted_models.rules import ServedModel
from gateway.contract.feed import (
    API_KEY_CONTEXT,
    SIGNATURE_CONTEXT,
    FeedDocument,
    ModelState,
    ReportedModel,
)
from tests.instance_builders import NOW, GatewayKeys, a_model

KEYS = GatewayKeys()
POSITION = rules.Position(instance_id="i", epoch=2, sequence=9)


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _check(text: str) -> rules.AcceptedAssertion:
    return rules.check_assertion(text, KEYS.gateway(), instance_id="i", now=NOW)


def test_a_good_assertion_is_accepted() -> None:
    accepted = _check(KEYS.assertion("i", jti="one"))
    assert (accepted.gateway_id, accepted.jti) == (KEYS.id, "one")
    assert accepted.expires_at > NOW + timedelta(seconds=60)


AT = int(NOW.timestamp())


@pytest.mark.parametrize(
    "changes",
    [
        {"iat": AT - 60, "exp": AT},
        {"iat": AT, "exp": AT + 60},
        {"iat": AT + 10, "exp": AT + 20},
        {"iat": AT - 20, "exp": AT - 9},
    ],
)
def test_times_within_a_minute_and_the_clocks_drift_are_accepted(changes: dict[str, Any]) -> None:
    _check(KEYS.assertion("i", **changes))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iss": "other"}, "assertion_of_another"),
        ({"sub": "other"}, "assertion_of_another"),
        ({"aud": "other"}, "assertion_invalid"),
        ({"aud": None}, "assertion_invalid"),
        ({"exp": None}, "assertion_invalid"),
        ({"iat": None}, "assertion_invalid"),
        ({"iat": "soon"}, "assertion_invalid"),
        ({"jti": None}, "assertion_invalid"),
        ({"jti": ""}, "jti_unusable"),
        ({"jti": "a\x00"}, "jti_unusable"),
        ({"jti": "x" * 256}, "jti_unusable"),
        ({"iat": AT, "exp": AT + 61}, "assertion_too_long"),
        ({"iat": AT, "exp": AT}, "assertion_too_long"),
        ({"iat": AT + 11, "exp": AT + 20}, "assertion_from_the_future"),
        ({"iat": AT - 30, "exp": AT - 10}, "assertion_expired"),
    ],
)
def test_an_assertion_that_does_not_hold_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(AssertionRefusedError) as refusal:
        _check(KEYS.assertion("i", **changes))
    assert refusal.value.reason == reason
    assert str(refusal.value) == "401 Unauthorized"


def test_an_assertion_of_another_key_or_algorithm_is_refused() -> None:
    claims = jwt.decode(KEYS.assertion("i"), options={"verify_signature": False})
    secret = KEYS.signing_public
    for text in (
        GatewayKeys().assertion("i", iss=KEYS.id, sub=KEYS.id, kid=KEYS.id),
        jwt.encode(claims, secret, algorithm="HS256", headers={"kid": KEYS.id}),
        jwt.encode(claims, "", algorithm="none", headers={"kid": KEYS.id}),
    ):
        with pytest.raises(AssertionRefusedError):
            _check(text)


def test_a_request_names_its_gateway() -> None:
    text = KEYS.assertion("i")
    assert rules.claimed_gateway(f"Bearer {text}") == (text, KEYS.id)


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Basic abc",
        "Bearer garbage",
        "Bearer a.b.c",
        "Bearer " + "x" * 5000,
        f"Bearer {KEYS.assertion('i', kid='short')}",
        f"Bearer {KEYS.assertion('i', kid='x' * 42 + chr(0))}",
        f"Bearer {jwt.encode({}, KEYS.signing, algorithm='EdDSA')}",
    ],
)
def test_a_request_that_names_no_gateway_is_refused(authorization: str | None) -> None:
    with pytest.raises(AssertionRefusedError):
        rules.claimed_gateway(authorization)


def test_a_gateway_s_id_is_the_thumbprint_of_its_key() -> None:
    # The example of RFC 8037, appendix A.3.
    key = rules.decode_raw_key("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "signing_key")
    assert rules.gateway_id(key) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


@pytest.mark.parametrize("text", ["", "abc", "!" * 43, "A" * 44, "A" * 42 + "B", "é" * 43])
def test_what_is_no_raw_key_is_refused(text: str) -> None:
    with pytest.raises(GatewayKeyInvalidError, match="sealing_key"):
        rules.decode_raw_key(text, "sealing_key")


def test_keys_that_cannot_be_worked_with_are_found_out() -> None:
    assert rules.is_usable_key(KEYS.signing_public, KEYS.sealing_public)
    assert not rules.is_usable_key(KEYS.signing_public, bytes(32))


def test_an_api_key_opens_for_its_gateway_and_model_only() -> None:
    suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    sealed = _decode(rules.seal_api_key("sk", ref="tiny", sealing_key=KEYS.sealing_public))
    assert suite.decrypt(sealed, KEYS.sealing, info=API_KEY_CONTEXT + b"tiny") == b"sk"
    with pytest.raises(InvalidTag):
        suite.decrypt(sealed, KEYS.sealing, info=API_KEY_CONTEXT + b"other")
    with pytest.raises(InvalidTag):
        suite.decrypt(sealed, GatewayKeys().sealing, info=API_KEY_CONTEXT + b"tiny")


def test_a_document_says_where_in_the_feed_it_is() -> None:
    served = [ServedModel(model=a_model(), api_key="sk"), ServedModel(model=a_model(), api_key="")]
    document = rules.build_document(
        rules.Parts(models=served), KEYS.gateway(), POSITION, course=rules.Course(), now=NOW
    )
    assert (document.instance_id, document.gateway_id) == ("i", KEYS.id)
    assert (document.epoch, document.sequence, document.issued_at) == (2, 9, AT)
    first, second = document.models
    assert (first.ref, first.endpoints) == ("tiny", ("http://127.0.0.1:8001/v1",))
    assert first.sealed_api_key is not None
    assert second.sealed_api_key is None


def test_a_document_is_signed_under_its_own_context() -> None:
    key = Ed25519PrivateKey.generate()
    document = rules.build_document(
        rules.NOTHING_NEW, KEYS.gateway(), POSITION, course=rules.Course(), now=NOW
    )
    signed = rules.sign_document(document, key)
    body, signature = _decode(signed.document), _decode(signed.signature)
    key.public_key().verify(signature, SIGNATURE_CONTEXT + body)
    with pytest.raises(InvalidSignature):
        key.public_key().verify(signature, body)
    assert msgspec.json.decode(body, type=FeedDocument).sequence == 9


def test_a_tag_names_epoch_sequence_and_gateway() -> None:
    assert POSITION.entity_tag("g") == '"2.9.g"'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"version":1,"epoch":1,"sequence":1,"models":[]}',
        b'{"version":"\\u0000","epoch":1,"sequence":1,"models":[]}',
        b'{"version":"1","epoch":1,"sequence":1,"models":[{"ref":"a","state":"dizzy"}]}',
        msgspec.json.encode(
            {
                "version": "1",
                "epoch": 1,
                "sequence": 1,
                "models": [{"ref": "a", "state": "ready"}] * 1001,
            }
        ),
        b'{"version":"1","epoch":1,"sequence":99999999999999999999,"models":[]}',
    ],
)
def test_a_report_of_another_form_is_refused(body: bytes) -> None:
    with pytest.raises(ReportRefusedError):
        rules.parse_report(body)


def test_a_report_may_have_fields_of_a_later_release() -> None:
    body = b'{"version":"2","epoch":1,"sequence":1,"models":[],"mood":"fine"}'
    assert rules.parse_report(body).version == "2"


def test_a_gateway_is_present_for_ten_seconds() -> None:
    seen = KEYS.gateway(last_seen_at=NOW)
    assert seen.is_present(at=NOW + timedelta(seconds=10))
    assert not seen.is_present(at=NOW + timedelta(seconds=10, milliseconds=1))
    assert not KEYS.gateway().is_present(at=NOW)


def _reporting(*states: tuple[str, ModelState], seen_s: float = 0) -> rules.Gateway:
    reported = tuple(ReportedModel(ref=ref, state=state) for ref, state in states)
    seen_at = NOW - timedelta(seconds=seen_s)
    return KEYS.gateway(last_seen_at=seen_at, reported_models=reported)


def test_a_model_is_ready_when_one_gateway_reaches_it() -> None:
    gateways = [_reporting(("m", "unreachable")), _reporting(("m", "ready"))]
    assert rules.state_of_model(gateways, "m", at=NOW) == "ready"
    assert rules.state_of_model(gateways[:1], "m", at=NOW) == "unreachable"


def test_who_is_absent_or_silent_says_nothing_of_a_model() -> None:
    gateways = [_reporting(("m", "ready"), seen_s=11), _reporting(("other", "ready"))]
    assert rules.state_of_model(gateways, "m", at=NOW) is None
