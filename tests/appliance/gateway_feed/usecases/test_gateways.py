from typing import Any
from uuid import UUID

import pytest

from appliance.gateway_feed import usecases
from appliance.gateway_feed.errors import (
    AssertionRefusedError,
    ClockRefusedError,
    GatewayKeyInvalidError,
    NoFeedKeyError,
)
from appliance.gateway_feed.rules import AcceptedAssertion, encode
from appliance.storage.engine import Db
from appliance.storage.identity import ensure_identity
from appliance.storage.outbox import last_sequence
from appliance.storage.sealing import Sealer
from gateway.contract.challenge import Challenge, ChallengeAnswer, signed_text
from gateway.contract.feed import Report
from tests.instance_builders import NOW, GatewayKeys, some_sources


def _register(db: Db, keys: GatewayKeys, **changes: Any) -> str:
    fields = {
        "name": "local",
        "signing_key": encode(keys.signing_public),
        "sealing_key": encode(keys.sealing_public),
    }
    registration = usecases.Registration(**{**fields, **changes})
    return db.write_blocking(
        lambda session: usecases.ensure_gateway(session, registration, now=NOW)
    )


def test_a_gateway_is_registered_once(db: Db) -> None:
    keys = GatewayKeys()
    assert _register(db, keys) == "created"
    before = db.read_blocking(last_sequence)
    assert _register(db, keys) == "known"
    assert db.read_blocking(last_sequence) == before


def test_new_keys_take_the_place_of_the_old(db: Db) -> None:
    old, new = GatewayKeys(), GatewayKeys()
    _register(db, old)
    assert _register(db, new) == "changed"
    assert [each.id for each in db.read_blocking(usecases.list_gateways)] == [new.id]


def test_a_gateway_under_a_new_name_is_the_same_gateway(db: Db) -> None:
    keys = GatewayKeys()
    _register(db, keys)
    _register(db, keys, name="renamed")
    assert [each.name for each in db.read_blocking(usecases.list_gateways)] == ["renamed"]


@pytest.mark.parametrize("change", [{"signing_key": "x"}, {"sealing_key": "A" * 43}])
def test_a_key_that_is_none_is_refused(db: Db, change: dict[str, str]) -> None:
    with pytest.raises(GatewayKeyInvalidError):
        _register(db, GatewayKeys(), **change)


def test_without_a_feed_key_nothing_is_signed(db: Db, sealer: Sealer) -> None:
    db.write_blocking(lambda session: ensure_identity(session, fresh_id=UUID(int=1), now=NOW))
    gateway, sources = GatewayKeys().gateway(), some_sources(sealer)
    with pytest.raises(NoFeedKeyError):
        db.read_blocking(
            lambda session: usecases.read_feed(
                session, gateway, if_none_match=None, sources=sources, now=NOW
            )
        )
    with pytest.raises(NoFeedKeyError):
        db.read_blocking(usecases.feed_public_key)


def test_the_feed_key_is_made_once(db: Db, sealer: Sealer) -> None:
    assert db.write_blocking(lambda session: usecases.ensure_feed_key(session, sealer, now=NOW))
    before = db.read_blocking(usecases.feed_public_key)
    assert not db.write_blocking(lambda session: usecases.ensure_feed_key(session, sealer, now=NOW))
    assert db.read_blocking(usecases.feed_public_key) == before


def test_a_gateway_removed_meanwhile_can_use_and_report_nothing(db: Db) -> None:
    gone = GatewayKeys()
    assertion = AcceptedAssertion(gateway_id=gone.id, jti="one", expires_at=NOW)
    with pytest.raises(AssertionRefusedError):
        db.write_blocking(lambda session: usecases.use_assertion(session, assertion, now=NOW))
    report = Report(version="1", epoch=1, sequence=1, models=())
    db.write_blocking(lambda session: usecases.store_report(session, assertion, report, now=NOW))
    assert not db.read_blocking(usecases.list_gateways)


def test_a_challenge_is_answered_by_a_registered_gateway(db: Db) -> None:
    keys, challenge = GatewayKeys(), Challenge(instance_id="i", nonce="n")
    signature = encode(keys.signing.sign(signed_text(challenge)))
    answer = ChallengeAnswer(gateway_id=keys.id, signature=signature)

    def is_answered() -> bool:
        return db.read_blocking(
            lambda session: usecases.challenge_is_answered(session, answer, challenge)
        )

    assert not is_answered()
    _register(db, keys)
    assert is_answered()


def test_the_clock_of_a_gateway_that_is_gone_is_not_noted(db: Db) -> None:
    refused = ClockRefusedError(reason="assertion_expired", gateway_id="gone", skew_ms=-90_000)
    db.write_blocking(lambda session: usecases.note_refused_clock(session, refused, now=NOW))
    assert db.read_blocking(lambda session: usecases.is_skew_known(session, "gone", now=NOW))
