from datetime import timedelta
from typing import Any

import jwt
import pytest

from appliance.gateway_feed import rules
from appliance.gateway_feed.errors import AssertionRefusedError, ClockRefusedError
from gateway.contract.challenge import Challenge, ChallengeAnswer, signed_text
from tests.instance_builders import NOW, GatewayKeys

KEYS = GatewayKeys()


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


def test_an_accepted_assertion_tells_the_clock_of_its_maker() -> None:
    assert _check(KEYS.assertion("i", iat=AT + 3, exp=AT + 33)).skew_ms == 3500


@pytest.mark.parametrize(
    ("changes", "skew_ms"),
    [
        ({"iat": AT + 11, "exp": AT + 20}, 11_500),
        ({"iat": AT - 300, "exp": AT - 250}, -299_500),
        ({"iat": 0, "exp": 50}, -366 * 86_400_000),
    ],
)
def test_a_clock_that_is_off_is_told(changes: dict[str, Any], skew_ms: int) -> None:
    with pytest.raises(ClockRefusedError) as refusal:
        _check(KEYS.assertion("i", **changes))
    assert (refusal.value.gateway_id, refusal.value.skew_ms) == (KEYS.id, skew_ms)


CHALLENGE = Challenge(instance_id="i", nonce="n")


def _answer(keys: GatewayKeys = KEYS, challenge: Challenge = CHALLENGE) -> ChallengeAnswer:
    signature = rules.encode(keys.signing.sign(signed_text(challenge)))
    return ChallengeAnswer(gateway_id=KEYS.id, signature=signature)


def test_a_challenge_is_answered_by_its_gateway_alone() -> None:
    assert rules.is_answered(CHALLENGE, _answer(), KEYS.gateway())
    assert not rules.is_answered(CHALLENGE, _answer(GatewayKeys()), KEYS.gateway())
    assert not rules.is_answered(CHALLENGE, _answer(), GatewayKeys().gateway())


def test_another_challenge_or_no_signature_is_no_answer() -> None:
    for other in (
        _answer(challenge=Challenge(instance_id="j", nonce="n")),
        _answer(challenge=Challenge(instance_id="i", nonce="m")),
        ChallengeAnswer(gateway_id=KEYS.id, signature="!"),
        ChallengeAnswer(gateway_id=KEYS.id, signature="AAAA"),
    ):
        assert not rules.is_answered(CHALLENGE, other, KEYS.gateway())
