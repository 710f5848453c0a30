import base64
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from httpx import Response
from sqlmodel import select

from appliance.explanations.tables import DecisionRow
from appliance.gateway_feed.tables import UsedAssertionRow
from appliance.gateway_feed.usecases import feed_public_key, list_gateways
from gateway.contract.events import EVENTS_PATH, Batch, Receipt, UsageEvent
from gateway.contract.feed import (
    API_KEY_CONTEXT,
    FEED_PATH,
    REPORT_PATH,
    SIGNATURE_CONTEXT,
    FeedDocument,
    SignedFeed,
)
from tests.appliance.conftest import Server
from tests.builders import a_decision, a_usage_event
from tests.instance_builders import MODEL_API_KEY, GatewayKeys

REPORT = {
    "version": "1.2",
    "epoch": 1,
    "sequence": 4,
    "models": [{"ref": "smollm2-135m-instruct", "state": "ready"}],
}


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


async def _as_gateway(
    server: Server, *, headers: dict[str, str] | None = None, **claims: Any
) -> dict[str, str]:
    keys = server.filled.keys
    assertion = keys.assertion(server.filled.instance_id, now=server.clock.now, **claims)
    return {"Authorization": f"Bearer {assertion}", **(headers or {})}


async def _feed(server: Server, **rest: Any) -> Response:
    return await server.ask("GET", FEED_PATH, pat="", headers=await _as_gateway(server, **rest))


async def _document(server: Server) -> FeedDocument:
    signed = msgspec.json.decode((await _feed(server)).content, type=SignedFeed)
    body = _decode(signed.document)
    public = _decode(await server.db.read(feed_public_key))
    Ed25519PublicKey.from_public_bytes(public).verify(
        _decode(signed.signature), SIGNATURE_CONTEXT + body
    )
    return msgspec.json.decode(body, type=FeedDocument)


async def test_a_gateway_reads_a_signed_document_with_its_models(server: Server) -> None:
    document = await _document(server)
    assert document.instance_id == server.filled.instance_id
    assert document.gateway_id == server.filled.keys.id
    assert [model.ref for model in document.models] == ["smollm2-135m-instruct"]
    assert document.models[0].provider == "shm"


async def test_the_api_key_is_sealed_to_the_gateway(server: Server) -> None:
    answer = await _feed(server)
    assert MODEL_API_KEY not in answer.text
    model = (await _document(server)).models[0]
    assert model.sealed_api_key is not None
    suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    info = API_KEY_CONTEXT + model.ref.encode()
    opened = suite.decrypt(_decode(model.sealed_api_key), server.filled.keys.sealing, info=info)
    assert opened.decode() == MODEL_API_KEY


async def test_a_gateway_that_has_the_newest_gets_304_until_something_changes(
    server: Server,
) -> None:
    first = await _feed(server)
    held = {"If-None-Match": first.headers["etag"]}
    same = await _feed(server, headers=held)
    assert (same.status_code, same.content) == (304, b"")
    await server.ask("PUT", "/api/v4/ai/self_hosted_models/1", json={"name": "Other"})
    changed = await _feed(server, headers=held)
    assert changed.status_code == 200
    document = await _document(server)
    assert document.models[0].name == "Other"
    assert changed.headers["etag"] == f'"1.{document.sequence}.{server.filled.keys.id}"'


async def test_an_assertion_is_good_once(server: Server) -> None:
    headers = await _as_gateway(server)
    assert (await server.ask("GET", FEED_PATH, pat="", headers=headers)).status_code == 200
    again = await server.ask("GET", FEED_PATH, pat="", headers=headers)
    assert (again.status_code, again.json()["code"]) == (401, "invalid_assertion")
    report = await server.ask("POST", REPORT_PATH, pat="", headers=headers, json=REPORT)
    assert report.status_code == 401


async def test_used_assertions_are_forgotten_once_they_have_run_out(server: Server) -> None:
    for _ in range(3):
        await _feed(server)
    server.clock.advance(minutes=5)
    await _feed(server)
    rows = await server.db.read(lambda session: session.exec(select(UsedAssertionRow)).all())
    assert len(rows) == 1


async def test_a_stranger_and_a_user_are_401(server: Server) -> None:
    stranger = GatewayKeys().assertion(server.filled.instance_id, now=server.clock.now)
    for headers in (
        {"Authorization": f"Bearer {stranger}"},
        {"Authorization": f"Bearer {server.filled.secret('token')}"},
        {},
    ):
        answer = await server.ask("GET", FEED_PATH, pat="", headers=headers)
        assert answer.status_code == 401
        assert answer.json() == {"message": "401 Unauthorized", "code": "invalid_assertion"}


async def test_an_assertion_for_another_instance_is_401(server: Server) -> None:
    assert (await _feed(server, aud="another")).status_code == 401


async def test_a_report_is_kept_and_counts_as_seen(server: Server) -> None:
    headers = await _as_gateway(server)
    answer = await server.ask("POST", REPORT_PATH, pat="", headers=headers, json=REPORT)
    assert (answer.status_code, answer.content) == (204, b"")
    gateway = (await server.db.read(list_gateways))[0]
    assert (gateway.version, gateway.last_seen_at) == ("1.2", server.clock.now)
    assert [(each.ref, each.state) for each in gateway.reported_models] == [
        ("smollm2-135m-instruct", "ready")
    ]


async def test_reading_the_feed_counts_as_seen(server: Server) -> None:
    server.clock.advance(seconds=3)
    await _feed(server)
    gateway = (await server.db.read(list_gateways))[0]
    assert gateway.is_present(at=server.clock.now + timedelta(seconds=1))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"version": "1"}'])
async def test_an_unreadable_report_is_400(server: Server, body: bytes) -> None:
    headers = await _as_gateway(server)
    answer = await server.ask("POST", REPORT_PATH, pat="", headers=headers, content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_report")


def _used(number: int, server: Server, **changes: Any) -> UsageEvent:
    return a_usage_event(number, happened_at=server.clock.now.timestamp(), **changes)


async def _post_batch(server: Server, batch: Batch) -> Response:
    headers = await _as_gateway(server)
    body = msgspec.json.encode(batch)
    return await server.ask("POST", EVENTS_PATH, pat="", headers=headers, content=body)


async def test_usage_is_counted_once_for_who_the_token_was_about(server: Server) -> None:
    _, pat = await server.new_user("ada", "api")
    minted = await server.ask("POST", "/api/v4/ai/access_tokens", pat=pat)
    subject = minted.json()["headers"]["X-Gitlab-Global-User-Id"]
    batch = Batch(events=(_used(1, server, subject=subject), _used(2, server, subject="gone")))
    for _ in range(2):
        answer = await _post_batch(server, batch)
        assert (answer.status_code, answer.json()) == (200, {})
    own = await server.ask("GET", "/api/v4/usage/events", pat=pat)
    assert [event["request_id"] for event in own.json()] == ["request-1"]
    everything = (await server.ask("GET", "/api/v4/usage")).json()
    assert [line["requests"] for line in everything] == [2]


async def test_what_does_not_count_is_named(server: Server) -> None:
    late = a_usage_event(2, happened_at=1.0)
    answer = await _post_batch(server, Batch(events=(_used(1, server), late)))
    receipt = msgspec.json.decode(answer.content, type=Receipt)
    assert [each.event_id for each in receipt.refused] == [late.event_id]


async def test_refusals_are_taken_with_usage(server: Server) -> None:
    decision = a_decision(1, happened_at=server.clock.now.timestamp())
    for _ in range(2):
        answer = await _post_batch(server, Batch(decisions=(decision,)))
        assert (answer.status_code, answer.json()) == (200, {})
    rows = await server.db.read(lambda session: session.exec(select(DecisionRow)).all())
    assert [row.decision_id for row in rows] == [decision.decision_id]


async def test_a_batch_that_cannot_be_read_is_400(server: Server) -> None:
    for body in (b"", b"{", b'{"events": [{}]}', b'{"events": [{"event_id": 5}]}'):
        headers = await _as_gateway(server)
        answer = await server.ask("POST", EVENTS_PATH, pat="", headers=headers, content=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_batch")
    many = Batch(events=tuple(_used(number, server) for number in range(501)))
    assert (await _post_batch(server, many)).status_code == 400


async def test_who_is_no_gateway_tells_no_usage(server: Server) -> None:
    for pat in ("", None):
        answer = await server.ask("POST", EVENTS_PATH, pat=pat, content=b"{}")
        assert answer.status_code == 401
