import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import aiohttp
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from structlog.testing import capture_logs

from gateway.contract.feed import FeedKey, RevokedCredential
from gateway.issuer.feed import client as feed_client
from gateway.issuer.identity import Identity
from gateway.settings import Settings
from tests.builders import (
    KID,
    MODEL_API_KEY,
    a_feed_model,
    a_jwk,
    a_token,
)
from tests.fakes.instance import FakeInstance, Stream
from tests.fakes.model_endpoint import FakeModelEndpoint
from tests.gateway.conftest import RunningGateway, a_gateway, eventually


async def shown(gateway: RunningGateway) -> list[str]:
    headers = {"Authorization": f"Bearer {a_token()}"}
    listed = await gateway.http.get("/v1/models", headers=headers)
    return [each["id"] for each in listed.json()["data"]]


async def next_stream(instance: FakeInstance, before: Stream) -> Stream:
    """The stream that the gateway asks for after another one broke."""
    await eventually(lambda: instance.streams and instance.stream is not before)
    return instance.stream


async def test_a_change_at_the_instance_reaches_the_next_request(
    gateway: RunningGateway, instance: FakeInstance, endpoint: FakeModelEndpoint
) -> None:
    instance.serve(*instance.models, a_feed_model(ref="new", endpoint=endpoint.url))
    await gateway.catch_up(instance)
    assert (await gateway.chat(model="new")).status_code == 200
    assert await shown(gateway) == ["demo", "new"]


async def test_a_model_that_is_gone_is_not_found(
    gateway: RunningGateway, instance: FakeInstance
) -> None:
    instance.serve()
    await gateway.catch_up(instance)
    assert (await gateway.chat()).status_code == 404


async def test_one_stream_is_held_open_while_nothing_happens(
    gateway: RunningGateway, instance: FakeInstance
) -> None:
    stream = instance.stream
    await eventually(lambda: len(stream.sent) > 5)
    assert instance.streams == [stream]
    assert gateway.counted("feed_connected") == 1
    assert gateway.counted("feed_age_seconds") < 1
    assert abs(gateway.counted("clock_skew_seconds")) < 1


async def test_a_stream_that_is_cut_inside_a_document_goes_on_where_it_was(
    gateway: RunningGateway, instance: FakeInstance, endpoint: FakeModelEndpoint
) -> None:
    broken, known = instance.stream, instance.sequence
    instance.sequence += 1
    instance.models = (a_feed_model(ref="new", endpoint=endpoint.url),)
    line = instance.a_change(broken, models=instance.models, removed_models=("demo",))
    broken.send_raw(line[: len(line) // 2])
    broken.cut()
    stream = await next_stream(instance, broken)
    assert stream.asked == {"epoch": "1", "sequence": str(known)}
    await gateway.catch_up(instance)
    assert await shown(gateway) == ["new"]


async def test_a_change_that_is_out_of_order_is_answered_by_asking_for_everything(
    gateway: RunningGateway, instance: FakeInstance
) -> None:
    stream = instance.stream
    instance.sequence += 5
    stream.send(instance.a_change(stream, models=(a_feed_model(ref="late"),)))
    again = await next_stream(instance, stream)
    assert again.asked == {}
    await gateway.catch_up(instance)
    assert await shown(gateway) == ["demo"]
    assert gateway.counted("feed_refused_total") == 1


async def test_a_replayed_document_changes_nothing(
    gateway: RunningGateway, instance: FakeInstance, endpoint: FakeModelEndpoint
) -> None:
    stream = instance.stream
    instance.serve(a_feed_model(ref="old", endpoint=endpoint.url))
    replayed = stream.sent[-1]
    instance.serve(a_feed_model(ref="new", endpoint=endpoint.url))
    stream.send(replayed)
    await next_stream(instance, stream)
    await gateway.catch_up(instance)
    assert await shown(gateway) == ["new"]


async def test_a_document_of_an_earlier_stream_is_refused(
    gateway: RunningGateway, instance: FakeInstance
) -> None:
    before = instance.stream
    recorded = instance.a_heartbeat(before, clock_ms=2**50)
    before.cut()
    stream = await next_stream(instance, before)
    stream.send(recorded)
    await eventually(lambda: gateway.counted("feed_refused_total") == 1)


@pytest.mark.parametrize("how", ["foreign key", "another instance", "another gateway", "garbage"])
async def test_what_is_not_our_instances_is_refused_and_what_was_known_stays(
    gateway: RunningGateway, instance: FakeInstance, how: str
) -> None:
    stream = instance.stream
    fields = {
        "another instance": {"instance_id": "99999999-2222-4333-8444-555555555555"},
        "another gateway": {"gateway_id": "another"},
    }.get(how, {})
    instance.foreign_key = Ed25519PrivateKey.generate() if how == "foreign key" else None
    line = b"garbage" if how == "garbage" else instance.a_snapshot(stream, models=(), **fields)
    instance.foreign_key = None
    stream.send(line)
    await next_stream(instance, stream)
    assert gateway.counted("feed_refused_total") == 1
    assert (await gateway.chat()).status_code == 200


async def test_an_older_snapshot_is_not_taken_over(
    gateway: RunningGateway, instance: FakeInstance
) -> None:
    stream, instance.sequence = instance.stream, 1
    stream.send(instance.a_snapshot(stream, models=()))
    await eventually(lambda: gateway.counted("feed_refused_total") >= 1)
    assert await shown(gateway) == ["demo"]


async def test_a_restored_instance_with_a_new_epoch_is_followed(
    gateway: RunningGateway, instance: FakeInstance
) -> None:
    instance.models, instance.sequence, instance.epoch = (), 1, 2
    instance.stream.cut()
    await eventually(lambda: gateway.counted("feed_epoch") == 2)
    assert (await gateway.chat()).status_code == 404


async def test_every_request_carries_a_fresh_short_assertion(
    gateway: RunningGateway, instance: FakeInstance, identity: Identity
) -> None:
    await gateway.chat()
    await eventually(lambda: instance.reports and instance.batches)
    assert len({each["jti"] for each in instance.assertions}) == len(instance.assertions) > 2
    assert all(each["exp"] - each["iat"] <= 60 for each in instance.assertions)
    assert {each["sub"] for each in instance.assertions} == {identity.gateway_id}


async def test_a_feed_that_fails_for_a_while_heals(
    gateway: RunningGateway, instance: FakeInstance, endpoint: FakeModelEndpoint
) -> None:
    instance.is_down = True
    with capture_logs() as lines:
        instance.stream.cut()
        await eventually(lambda: [each for each in lines if each["event"] == "feed_failed"])
        assert gateway.counted("feed_connected") == 0
        assert (await gateway.chat()).status_code == 200
        instance.is_down = False
        instance.serve(a_feed_model(ref="new", endpoint=endpoint.url))
        await gateway.catch_up(instance)
    events = [line["event"] for line in lines]
    assert (events.count("feed_failed"), events.count("feed_healed")) == (1, 1)
    assert (await gateway.chat(model="new")).status_code == 200


async def test_a_stream_that_ends_and_begins_again_is_no_failure(
    gateway: RunningGateway, instance: FakeInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_client, "SILENCE_S", 0)
    before = instance.stream
    with capture_logs() as lines:
        before.cut()
        await next_stream(instance, before)
        await gateway.catch_up(instance)
    assert not [line for line in lines if line["event"] in {"feed_failed", "feed_healed"}]


async def test_a_stream_that_falls_silent_is_asked_for_again(
    settings: Settings, instance: FakeInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = aiohttp.ClientTimeout(total=None, sock_read=0.3)
    monkeypatch.setattr(feed_client, "_SILENCE", short)
    async with a_gateway(settings) as gateway:
        silent = instance.stream
        instance.is_silent = True
        await next_stream(instance, silent)
        assert (await gateway.chat()).status_code == 200


@pytest.fixture
async def older(settings: Settings, instance: FakeInstance) -> AsyncIterator[RunningGateway]:
    """A gateway behind an instance of the release before."""
    instance.is_older = True
    async with a_gateway(settings) as gateway:
        yield gateway


async def test_an_older_instance_is_asked_again_and_again(
    older: RunningGateway, instance: FakeInstance, endpoint: FakeModelEndpoint
) -> None:
    instance.serve(a_feed_model(ref="new", endpoint=endpoint.url))
    await older.catch_up(instance)
    assert (await older.chat(model="new")).status_code == 200
    before = instance.polls
    await eventually(lambda: instance.polls > before + 2)
    assert older.counted("feed_connected") == 1


async def test_an_instance_that_was_upgraded_is_streamed_from(
    settings: Settings, instance: FakeInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_client, "STREAM_AGAIN_S", 0.1)
    instance.is_older = True
    async with a_gateway(settings) as gateway:
        instance.is_older = False
        await eventually(lambda: instance.streams)
        assert (await gateway.chat()).status_code == 200


async def test_a_large_document_is_read_beside_the_answers(
    settings: Settings, instance: FakeInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_client, "LARGE_BYTES", 1)
    async with a_gateway(settings) as gateway:
        stream = instance.stream
        stream.send(b"garbage")
        await next_stream(instance, stream)
        assert (await gateway.chat()).status_code == 200
        assert gateway.counted("feed_refused_total") == 1


async def test_what_a_newer_instance_says_beyond_us_is_left_aside(
    settings: Settings, instance: FakeInstance
) -> None:
    instance.unknown_members = {"weather": {"is": ["fine"]}}
    async with a_gateway(settings) as gateway:
        assert (await gateway.chat()).status_code == 200


async def test_what_a_newer_instance_requires_beyond_us_closes_its_models(
    gateway: RunningGateway, instance: FakeInstance
) -> None:
    instance.change(requires=("weather",))
    await gateway.catch_up(instance)
    answer = await gateway.chat()
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "gateway_too_old")


@pytest.mark.parametrize("is_older", [False, True], ids=["stream", "poll"])
async def test_a_document_that_does_not_end_is_given_up(
    settings: Settings, instance: FakeInstance, monkeypatch: pytest.MonkeyPatch, *, is_older: bool
) -> None:
    monkeypatch.setattr(feed_client, "MAX_FEED_BYTES", 100)
    instance.is_older = is_older
    with capture_logs() as lines:
        async with a_gateway(settings, until_ready=False):
            await eventually(lambda: [each for each in lines if each["event"] == "feed_failed"])
    (line,) = [each for each in lines if each["event"] == "feed_failed"]
    assert "too large" in line["reason"]


@pytest.mark.parametrize(("ahead_s", "said"), [(120, "ahead of"), (-120, "behind"), (0, "add it")])
async def test_an_instance_that_does_not_take_our_word_is_understood(
    settings: Settings, instance: FakeInstance, ahead_s: int, said: str
) -> None:
    instance.is_unauthorized, instance.clock_ahead_s = True, -ahead_s
    with capture_logs() as lines:
        async with a_gateway(settings, until_ready=False):
            await eventually(lambda: [each for each in lines if each["event"] == "feed_failed"])
            await eventually(lambda: instance.refused_assertions > 2)
    (line,) = [each for each in lines if each["event"] == "feed_failed"]
    assert said in line["reason"]


async def test_a_key_that_is_pushed_is_good_at_once_and_reported(
    gateway: RunningGateway, instance: FakeInstance
) -> None:
    fetches = instance.key_set_fetches
    jwks = [a_jwk(), a_jwk("fresh")]
    instance.tell(keys=tuple(FeedKey(kid=each["kid"], n=each["n"], e=each["e"]) for each in jwks))
    await gateway.catch_up(instance)
    assert (await gateway.chat(a_token(kid="fresh"))).status_code == 200
    told = [("fresh", KID)]
    await eventually(lambda: [each.kids for each in instance.reports[-1:]] == told, within_s=2)
    assert instance.key_set_fetches == fetches


async def test_a_revoked_credential_opens_nothing_from_the_next_request_on(
    gateway: RunningGateway, instance: FakeInstance
) -> None:
    token = a_token(cred="pat:7")
    assert (await gateway.chat(token)).status_code == 200
    instance.revoke(credentials=(RevokedCredential(credential="pat:7", until=2**40),))
    await gateway.catch_up(instance)
    answer = await gateway.chat(token)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "token_superseded")
    assert (await gateway.chat(a_token(cred="pat:8"))).status_code == 200


async def test_a_restarted_gateway_serves_while_the_instance_is_down(
    settings: Settings, instance: FakeInstance
) -> None:
    async with a_gateway(settings) as gateway:
        instance.revoke(credentials=(RevokedCredential(credential="pat:7", until=2**40),))
        await gateway.catch_up(instance)
    await instance.stop()
    async with a_gateway(settings) as restarted:
        assert (await restarted.chat()).status_code == 200
        assert (await restarted.chat(a_token(cred="pat:7"))).status_code == 401


async def test_the_state_folder_shows_no_secret(settings: Settings) -> None:
    async with a_gateway(settings):
        pass
    for path in (settings.state_folder / name for name in ("feed.sealed", "key_set.sealed")):
        assert path.stat().st_mode & 0o077 == 0
        for secret in (MODEL_API_KEY, "demo", KID):
            assert secret.encode() not in path.read_bytes()


async def test_a_model_whose_key_does_not_open_is_left_out(
    gateway: RunningGateway, instance: FakeInstance
) -> None:
    stolen = instance.models[0].sealed_api_key
    bad = msgspec.structs.replace(a_feed_model(ref="bad"), sealed_api_key=stolen)
    instance.change(models=(bad,))
    await gateway.catch_up(instance)
    assert (await gateway.chat()).status_code == 200
    assert (await gateway.chat(model="bad")).status_code == 404


async def test_a_strict_gateway_serves_nobody_while_it_hears_nothing(
    settings: Settings, instance: FakeInstance
) -> None:
    strict = settings.model_copy(update={"feed_strict_after": timedelta(seconds=0.5)})
    async with a_gateway(strict) as gateway:
        assert (await gateway.chat()).status_code == 200
        await instance.stop()
        async with asyncio.timeout(5):
            while (answer := await gateway.chat()).status_code == 200:
                await asyncio.sleep(0.05)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (503, "identity_unavailable")
        assert "revoked" in error["message"]
        await instance.start()
        async with asyncio.timeout(5):
            while (await gateway.chat()).status_code != 200:
                await asyncio.sleep(0.05)
