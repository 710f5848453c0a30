import httpx
import msgspec
import pytest
from cryptography.exceptions import InvalidSignature

from gateway.contract.challenge import (
    CHALLENGE_PATH,
    MAX_NONCE_CHARS,
    Challenge,
    ChallengeAnswer,
    signed_text,
)
from gateway.issuer.identity import Identity, decode
from gateway.settings import Settings
from tests.builders import INSTANCE_ID
from tests.gateway.conftest import RunningGateway, a_gateway


async def ask(gateway: RunningGateway, **members: object) -> httpx.Response:
    asked = {"instance_id": INSTANCE_ID, "nonce": "n-1", **members}
    return await gateway.http.post(CHALLENGE_PATH, json=asked)


async def test_a_gateway_proves_that_it_is_the_registered_one(
    gateway: RunningGateway, identity: Identity
) -> None:
    answer = await ask(gateway)
    assert answer.status_code == 200
    said = msgspec.json.decode(answer.content, type=ChallengeAnswer)
    assert said.gateway_id == identity.gateway_id
    public, signature = identity.signing.public_key(), decode(said.signature)
    public.verify(signature, signed_text(Challenge(instance_id=INSTANCE_ID, nonce="n-1")))
    with pytest.raises(InvalidSignature):
        public.verify(signature, signed_text(Challenge(instance_id=INSTANCE_ID, nonce="n-2")))


async def test_another_instance_learns_nothing(gateway: RunningGateway) -> None:
    answer = await ask(gateway, instance_id="another")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "nonce", ["", "x" * (MAX_NONCE_CHARS + 1), "line\nbreak", "\x00", 5, None, ["n"]]
)
async def test_a_nonce_that_is_none_is_refused(gateway: RunningGateway, nonce: object) -> None:
    answer = await ask(gateway, nonce=nonce)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


async def test_a_long_question_is_not_read(gateway: RunningGateway) -> None:
    answer = await ask(gateway, padding="x" * 5000)
    assert (answer.status_code, answer.json()["code"]) == (413, "request_too_large")


async def test_a_gateway_that_is_not_registered_proves_nothing(settings: Settings) -> None:
    (settings.state_folder / "instance.json").unlink()
    async with a_gateway(settings, until_ready=False) as gateway:
        assert (await ask(gateway)).status_code == 404
