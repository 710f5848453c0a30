import asyncio

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.contract.feed import FeedDocument, SignedFeed
from gateway.errors import FeedRefusedError
from gateway.issuer.feed import read_feed
from gateway.issuer.identity import Identity
from gateway.issuer.pins import Pin, load_pin
from gateway.issuer.snapshot import SnapshotStore
from gateway.settings import Settings
from tests.builders import (
    KID,
    MODEL_API_KEY,
    a_feed_document,
    a_feed_model,
    a_signed_feed,
    a_token,
    base64url,
)
from tests.fakes.instance import FakeInstance
from tests.fakes.model_endpoint import FakeModelEndpoint
from tests.gateway.conftest import RunningGateway, a_gateway, eventually


@pytest.fixture
def pin(settings: Settings) -> Pin:
    pin = load_pin(settings.state_folder)
    assert pin is not None
    return pin


def read(signed: SignedFeed, pin: Pin, identity: Identity) -> FeedDocument:
    return read_feed(signed, pin=pin, gateway_id=identity.gateway_id)


def test_a_feed_of_the_pinned_instance_is_read(pin: Pin, identity: Identity) -> None:
    document = a_feed_document(identity.gateway_id, a_feed_model())
    assert read(a_signed_feed(document), pin, identity) == document


def test_a_feed_signed_by_another_key_is_refused(pin: Pin, identity: Identity) -> None:
    document = a_feed_document(identity.gateway_id)
    with pytest.raises(FeedRefusedError):
        read(a_signed_feed(document, key=Ed25519PrivateKey.generate()), pin, identity)


def test_a_changed_feed_is_refused(pin: Pin, identity: Identity) -> None:
    signed = a_signed_feed(a_feed_document(identity.gateway_id))
    other = a_feed_document(identity.gateway_id, a_feed_model())
    changed = SignedFeed(document=base64url(msgspec.json.encode(other)), signature=signed.signature)
    with pytest.raises(FeedRefusedError):
        read(changed, pin, identity)


@pytest.mark.parametrize("changes", [{"instance_id": "other"}, {"gateway_id": "other"}])
def test_a_feed_from_or_for_another_is_refused(
    pin: Pin, identity: Identity, changes: dict[str, str]
) -> None:
    document = a_feed_document(identity.gateway_id)
    with pytest.raises(FeedRefusedError):
        read(a_signed_feed(msgspec.structs.replace(document, **changes)), pin, identity)


@pytest.mark.parametrize("text", ["", "!", "bm90IGpzb24"])
def test_a_feed_that_cannot_be_read_is_refused(pin: Pin, identity: Identity, text: str) -> None:
    with pytest.raises(FeedRefusedError):
        read(SignedFeed(document=text, signature=text), pin, identity)


async def test_a_change_at_the_instance_reaches_the_next_request(
    gateway: RunningGateway, instance: FakeInstance, endpoint: FakeModelEndpoint
) -> None:
    instance.serve(a_feed_model(ref="new", endpoint=endpoint.url))
    headers = {"Authorization": f"Bearer {a_token()}"}
    async with asyncio.timeout(5):
        while (await gateway.chat(model="new")).status_code != 200:
            pass
    listed = await gateway.http.get("/v1/models", headers=headers)
    assert [each["id"] for each in listed.json()["data"]] == ["new"]


async def test_an_older_feed_is_not_taken_over(
    gateway: RunningGateway, instance: FakeInstance
) -> None:
    instance.models, instance.sequence = (), 1
    before = len(instance.assertions)
    await eventually(lambda: len(instance.assertions) > before + 3)
    assert (await gateway.chat()).status_code == 200


async def test_a_restored_instance_with_a_new_epoch_is_followed(
    gateway: RunningGateway, instance: FakeInstance
) -> None:
    instance.models, instance.sequence, instance.epoch = (), 1, 2
    async with asyncio.timeout(5):
        while (await gateway.chat()).status_code != 404:
            pass


async def test_every_request_carries_a_fresh_short_assertion(
    gateway: RunningGateway, instance: FakeInstance, identity: Identity
) -> None:
    await eventually(lambda: len(instance.assertions) > 3)
    assert len({each["jti"] for each in instance.assertions}) == len(instance.assertions)
    assert all(each["exp"] - each["iat"] <= 60 for each in instance.assertions)
    assert {each["sub"] for each in instance.assertions} == {identity.gateway_id}
    del gateway


async def test_the_gateway_reports_what_it_sees(
    gateway: RunningGateway, instance: FakeInstance
) -> None:
    await eventually(lambda: instance.reports)
    assert [model.ref for model in instance.reports[0].models] == ["demo"]
    assert instance.reports[0].sequence == instance.sequence
    del gateway


async def test_a_restarted_gateway_serves_while_the_instance_is_down(
    settings: Settings, instance: FakeInstance
) -> None:
    async with a_gateway(settings):
        pass
    await instance.stop()
    async with a_gateway(settings) as restarted:
        assert (await restarted.chat()).status_code == 200


async def test_the_state_folder_shows_no_secret(settings: Settings) -> None:
    async with a_gateway(settings):
        pass
    for path in (settings.state_folder / name for name in ("feed.sealed", "key_set.sealed")):
        assert path.stat().st_mode & 0o077 == 0
        for secret in (MODEL_API_KEY, "demo", KID):
            assert secret.encode() not in path.read_bytes()


async def test_a_model_whose_key_does_not_open_is_left_out(
    gateway: RunningGateway, instance: FakeInstance, endpoint: FakeModelEndpoint
) -> None:
    good, bad = a_feed_model(endpoint=endpoint.url), a_feed_model(ref="bad")
    instance.serve(good, bad)
    stolen = instance.models[0].sealed_api_key
    instance.models = (
        instance.models[0],
        msgspec.structs.replace(instance.models[1], sealed_api_key=stolen),
    )
    instance.sequence += 1
    before = len(instance.assertions)
    await eventually(lambda: len(instance.assertions) > before + 3)
    assert (await gateway.chat()).status_code == 200
    assert (await gateway.chat(model="bad")).status_code == 404


async def test_a_stored_feed_of_another_instance_is_not_taken_over(
    settings: Settings, identity: Identity, instance: FakeInstance
) -> None:
    store = SnapshotStore(settings.state_folder, identity)
    forged = a_signed_feed(
        a_feed_document(identity.gateway_id, a_feed_model(ref="forged")),
        key=Ed25519PrivateKey.generate(),
    )
    await store.save("feed", msgspec.json.encode(forged))
    await instance.stop()
    async with a_gateway(settings, until_ready=False) as gateway:
        checks = (await gateway.http.get("/monitoring/ready")).json()["checks"]
        assert not checks["configuration"]


async def test_a_feed_that_is_refused_for_a_while_heals(
    gateway: RunningGateway, instance: FakeInstance, endpoint: FakeModelEndpoint
) -> None:
    instance.is_down = True
    assert (await gateway.chat()).status_code == 200
    instance.is_down = False
    instance.serve(a_feed_model(ref="new", endpoint=endpoint.url))
    async with asyncio.timeout(5):
        while (await gateway.chat(model="new")).status_code != 200:
            pass
